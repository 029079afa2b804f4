// Writes a service's figures and rows into the results database.
#pragma once
#include "results/results.h"
#include "serving/deployment/deployment.h"

namespace moesim::serving {

/// Rows while the service runs.
class ReportLog final : public ServiceLog {
 public:
  ReportLog(results::Results& results, const Deployment& deployment) : results_(results), deployment_(deployment) {}
  void request(const RequestEnd& end) override;
  void step(int pool, const InstanceOwner::StepEnd& step) override;
  void reading(const Reading& reading) override;

 private:
  results::Results& results_;
  const Deployment& deployment_;
  std::int64_t steps_ = 0;
};

/// Figures at the end.
void report_service(results::Results& results, const Deployment& deployment, Service& service);
}  // namespace moesim::serving
