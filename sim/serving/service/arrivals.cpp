#include "serving/service/arrivals.h"

#include <algorithm>

namespace moesim::serving {

void Arrivals::start() {
  next_ = workload_.next();
  expect_next();
}

void Arrivals::expect_next() {
  if (next_)
    engine_.at(std::max(next_->arrival, engine_.now()), "arrival", [this] {
      Request now = std::move(*next_);
      next_ = workload_.next();
      arrive_(count_++, std::move(now));
      expect_next();
    });
}

void Arrivals::follow(const Request& done) {
  std::optional<Request> next = workload_.follow_up(done, engine_.now());
  if (!next) return;
  const std::int64_t key = announced_++;
  const Time at = next->arrival;
  turns_.emplace(key, std::move(*next));
  engine_.at(at, "next turn", [this, key] {
    Request now = std::move(turns_.at(key));
    turns_.erase(key);
    arrive_(count_++, std::move(now));
  });
}
}  // namespace moesim::serving
