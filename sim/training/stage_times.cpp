#include "training/stage_times.h"

#include <algorithm>
#include <map>

#include "network/collectives/collective.h"

namespace moesim::training {

schedule::ScheduleCosts stage_times(TrainingSetup& setup, const schedule::StepOutcome& step) {
  const schedule::Schedule& s = setup.plan().schedule;
  std::map<std::pair<int, schedule::Op>, std::vector<Time>> took;
  for (const schedule::InstructionTime& t : step.instructions)
    if (t.instruction.op != schedule::Op::optimizer)
      took[{s.stage_of(t.rank, t.instruction.chunk), t.instruction.op}].push_back(t.end - t.start);
  schedule::ScheduleCosts out;
  out.stages.resize(std::size_t(s.stages()));
  for (auto& [of, times] : took) {
    const auto middle = times.begin() + std::ptrdiff_t(times.size() / 2);
    std::ranges::nth_element(times, middle);
    schedule::StageCosts& stage = out.stages[std::size_t(of.first)];
    for (const auto& [op, time] :
         {std::pair{schedule::Op::forward, &stage.forward}, std::pair{schedule::Op::backward, &stage.backward},
          std::pair{schedule::Op::backward_input, &stage.backward_input},
          std::pair{schedule::Op::weight, &stage.weight}, std::pair{schedule::Op::overlapped, &stage.overlapped}})
      if (op == of.second) *time = *middle;
  }
  if (s.ranks > 1) {
    const std::vector<GpuId> pair{setup.costs().gpu({0, 0, 0}), setup.costs().gpu({0, 1, 0})};
    const Bytes message = network::bf16_row(setup.plan().model.stream_width()) * setup.plan().tokens_per_member();
    out.send = network::collective_time(setup.network().topology(), setup.network().calibration(),
                                        network::Collective::point_to_point, network::CollectiveAlgorithm::best, pair,
                                        message);
  }
  return out;
}

Time pipeline_end(const schedule::StepOutcome& step) {
  Time end{};
  for (const schedule::InstructionTime& t : step.instructions)
    if (t.instruction.op != schedule::Op::optimizer) end = std::max(end, t.end);
  return end;
}
}  // namespace moesim::training
