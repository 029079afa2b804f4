// Requests as they come: the workload's stream, and the later turns of its conversations.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>

#include "core/engine.h"
#include "serving/requests/workload.h"

namespace moesim::serving {

class Arrivals {
 public:
  /// Called at each arrival with the request's number in order of arrival, from 0.
  using Arrive = std::function<void(std::int64_t id, Request request)>;
  Arrivals(Engine& engine, Workload& workload, Arrive arrive)
      : engine_(engine), workload_(workload), arrive_(std::move(arrive)) {}

  /// Puts the first request on its way; each one that arrives brings the next.
  void start();
  /// A request has ended, and at `at` its sender knows: the next turn of its conversation, if there is one, comes when
  /// the workload says, and whoever waited for its place goes next.
  void ended(const Request& done, bool served, Time at);

  std::int64_t count() const { return count_; }                     ///< arrived so far
  std::int64_t held() const { return std::int64_t(held_.size()); }  ///< wait with their senders
  bool streaming() const { return next_.has_value() || !held_.empty(); }
  bool awaiting_turns() const { return !turns_.empty(); }

 private:
  void expect_next();
  void arrive(Request request);

  Engine& engine_;
  Workload& workload_;
  Arrive arrive_;
  std::optional<Request> next_;
  std::map<std::int64_t, Request> turns_;  // by the order in which they were announced
  std::deque<Request> held_;               // with their senders, while as many as may be are under way
  std::int64_t open_ = 0;                  // under way
  std::int64_t announced_ = 0, count_ = 0;
};
}  // namespace moesim::serving
