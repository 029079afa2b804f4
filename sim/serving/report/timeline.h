// What a service did, as spans for a timeline: steps of every instance and their parts, requests, KV caches on their
// way.
#pragma once
#include <map>
#include <vector>

#include "results/span.h"
#include "serving/deployment/deployment.h"
#include "serving/deployment/span_limit.h"

namespace moesim::serving {

/// Passes everything on to `next`; keeps spans only while the log is enabled and within its window, and at most
/// kMostSpans of them.
class TimelineLog final : public ServiceLog {
 public:
  TimelineLog(ServiceLog& next, results::SpanLog& spans, const Deployment& deployment);
  void request(const RequestEnd& end) override;
  void step(int pool, const InstanceOwner::StepEnd& step) override;
  void reading(const Reading& reading) override { next_.reading(reading); }
  void moving(const Live& live, Time now) override;
  void moved(const Live& live, Time now) override;
  /// Lays the requests side by side: call once, when the service has ended.
  void close();
  /// Nothing more was kept from this moment on; INT64_MAX if all was.
  Time full_since() const { return full_since_; }

 private:
  struct Stay {  // a request in the deployment
    Time arrival{}, start{}, first{}, last{};
    std::int64_t id = 0;
    int input = 0, output = 0;
    std::int32_t instance = -1;  // that decoded it
  };
  struct Move {
    Time from{}, to{};
    std::int64_t id = 0;
    std::int32_t source = -1, target = -1;
  };
  struct Tracks {
    results::TrackId steps{}, parts{};
  };
  bool room(Time now);
  const Tracks& tracks_of(int instance);
  void draw(const Stay& stay, results::TrackId lane);
  void draw(const Move& move, results::TrackId lane);

  ServiceLog& next_;
  results::SpanLog& spans_;
  const Deployment& deployment_;
  std::map<int, Tracks> tracks_;
  std::vector<results::NameId> parts_;
  std::map<std::int64_t, Time> moving_;  // requests whose KV cache is on its way: since when
  std::vector<Stay> stays_;
  std::vector<Move> moves_;
  Time full_since_{INT64_MAX};
};
}  // namespace moesim::serving
