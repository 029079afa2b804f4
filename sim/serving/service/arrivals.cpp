#include "serving/service/arrivals.h"

#include <algorithm>

namespace moesim::serving {

void Arrivals::start() {
  next_ = workload_.next();
  expect_next();
}

/// Now, or when one of those under way has ended.
void Arrivals::arrive(Request request) {
  if (workload_.concurrency() > 0 && open_ >= workload_.concurrency()) return held_.push_back(std::move(request));
  ++open_;
  arrive_(count_++, std::move(request));
}

void Arrivals::expect_next() {
  if (next_)
    engine_.at(std::max(next_->arrival, engine_.now()), "arrival", [this] {
      Request now = std::move(*next_);
      next_ = workload_.next();
      arrive(std::move(now));
      expect_next();
    });
}

void Arrivals::ended(const Request& done, bool served, Time at) {
  --open_;
  if (!held_.empty())  // as an event: an end may be the end of an arrival that nothing can serve
    engine_.at(at, "arrival", [this] {
      if (held_.empty() || open_ >= workload_.concurrency()) return;
      Request now = std::move(held_.front());
      held_.pop_front();
      ++open_;
      arrive_(count_++, std::move(now));
    });
  std::optional<Request> next = served ? workload_.follow_up(done, at) : workload_.refused(done, at);
  if (!next) return;
  const std::int64_t key = announced_++;
  const Time then = next->arrival;
  turns_.emplace(key, std::move(*next));
  engine_.at(then, "next turn", [this, key] {
    Request now = std::move(turns_.at(key));
    turns_.erase(key);
    arrive(std::move(now));
  });
}
}  // namespace moesim::serving
