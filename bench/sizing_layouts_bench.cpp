// Where the training layouts that their makers chose for DeepSeek-V3 stand among all that can be formed, by the time of
// a step: how many are faster, and at most how many, where some fell by their bound alone.
//   sizing_layouts_bench   (minutes a line)
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <filesystem>
#include <thread>

#include "core/files.h"
#include "sizing/pretraining/choice.h"

namespace moesim::sizing {
namespace {

struct Maker {
  const char* name;
  const char* plan;  // of the catalogue, or a text
  int tensor, pipeline, expert;
  const char* schedule;
};
constexpr const char* kH100 = R"(model: deepseek-v3
routing: balanced   # Megatron-Bridge performance recipes: balance forced
size:
  training:
    tokens: 1e12
    settings: {sequence: 4096, batch: 16384, precision: {linear: fp8}, exchange: deepep_normal}
  candidates:
    nodes: [{node: hgx-h100, nodes: 128}]
    counts: [128]
    tensor: [1, 2, 4]
    pipeline: [2, 4, 8, 16]
    expert: [8, 16, 32, 64]
    schedule: [1f1b, {kind: interleaved_1f1b, chunks: 2}, {kind: interleaved_1f1b, chunks: 4}, dualpipe]
)";
constexpr const char* kGb200 = R"(model: deepseek-v3
routing: balanced   # as above; settings as scenarios/train-deepseek-v3-gb200.yaml
size:
  training:
    tokens: 1e12
    settings: {sequence: 4096, batch: 4096, gpus_per_node: 64, precision: {linear: fp8, recipe: mxfp8}, exchange: hybrid,
               graphs: whole, capacity: {factor: 1.5}}
  candidates:
    nodes: [{node: gb200-nvl72, nodes: 4}]
    counts: [4]
    tensor: [1, 2, 4]
    pipeline: [1, 2, 4, 8]
    expert: [8, 16, 32, 64]
    schedule: [1f1b, {kind: interleaved_1f1b, chunks: 2}, {kind: interleaved_1f1b, chunks: 4}, dualpipe]
)";
// arXiv:2412.19437, section 3.2; Megatron-Bridge, perf_recipes/deepseek: 1,024 H100 in FP8 by blocks, and 256 GB200 in
// MXFP8.
constexpr Maker kMakers[] = {
    {"2,048 H800", "size-deepseek-v3-pretraining", 1, 16, 64, "dualpipe"},
    {"1,024 H100", kH100, 2, 8, 64, "{kind: interleaved_1f1b, chunks: 2}"},
    {"256 GB200", kGb200, 1, 4, 64, "{kind: interleaved_1f1b, chunks: 4}"},
};

Job job_of(const Maker& maker) {
  const std::string plan = maker.plan;
  if (!plan.starts_with("model:")) return read_job(read_plan_head(plan, {{"size.candidates.counts", "[256]"}}, {}));
  const std::filesystem::path file = std::filesystem::temp_directory_path() / "makers_layout.yaml";
  write_file(file.string(), plan);
  Job out = read_job(read_plan_head(file.string(), {}, {}));
  std::filesystem::remove(file);
  return out;
}

bool is_of(const Maker& maker, const Mapping& m) {
  return m.tensor == maker.tensor && m.pipeline == maker.pipeline && m.expert == maker.expert &&
         m.schedule == maker.schedule;
}

void MakersLayout(benchmark::State& state) {
  const Maker& maker = kMakers[state.range(0)];
  for (auto _ : state) {
    const Job job = job_of(maker);
    Choice choice = choose(job, int(std::thread::hardware_concurrency()));
    const auto own =
        std::ranges::find_if(choice.entries, [&](const MappingEntry& e) { return is_of(maker, e.mapping); });
    if (own == choice.entries.end() || own->fate == MappingFate::illegal)
      return state.SkipWithError("the maker's layout cannot be formed");
    if (!own->result) own->result = simulate_step(job, own->mapping, true);
    int faster = 0, perhaps = 0, legal = 0;
    double shortest = own->result->step;
    for (const MappingEntry& e : choice.entries) {
      legal += e.fate != MappingFate::illegal;
      faster += e.result && e.result->step < own->result->step;
      perhaps += e.fate != MappingFate::illegal && !e.result && e.least < own->result->step;
      if (e.result) shortest = std::min(shortest, e.result->step);
    }
    state.counters["rank"] = faster + 1;
    state.counters["rank_at_most"] = faster + perhaps + 1;
    state.counters["of"] = legal;
    state.counters["over_fastest"] = own->result->step / shortest - 1;
    state.SetLabel(fmt::format("{}: {}, {:.3g} s", maker.name, text_of(own->mapping), own->result->step));
  }
}
BENCHMARK(MakersLayout)->DenseRange(0, 2)->Iterations(1)->Unit(benchmark::kSecond);
}  // namespace
}  // namespace moesim::sizing
