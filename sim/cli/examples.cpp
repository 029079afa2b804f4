#include "cli/examples.h"

#include <fmt/format.h>

namespace moesim::cli {
namespace {
constexpr bool kQuick = true;
constexpr Example kExamples[] = {
    {"init serve -o service.yaml", "a commented scenario to begin with", kQuick},
    {"init cluster", "print a cluster, written out down to its GPUs", kQuick},
    {"run service.yaml", "simulate it; results in service.db", kQuick},
    {"run service.yaml -o faster.db --set serving.workload.rate=8", "the same with one value changed", kQuick},
    {"run service.yaml --dry-run", "what it would take", kQuick},
    {"run quickstart --timeline t.json --timeline-window 0ms:50ms", "also what each GPU did, for ui.perfetto.dev"},
    {"report service.db", "service.html, a page that opens offline", kQuick},
    {"report service.db -o page.html --open", "show it"},
    {"compare service.db faster.db", "settings and figures of two runs side by side", kQuick},
    {"diff service.db faster.db", "where two runs begin to differ", kQuick},
    {"record --model deepseek-v3 --synthetic --text notes/ code/ -o mine.db",
     "routing of your text by made-up weights"},
    {"record --model deepseek-v2-lite --weights DeepSeek-V2-Lite --text notes/ --limit 2000 -o mine.db",
     "by released ones"},
    {"trace info mine.db", "what a recording is, has and lacks"},
    {"trace stats mine.db --gpus 32", "how unevenly its experts are loaded"},
    {"trace import counts.json -o theirs.db", "what a serving system recorded"},
    {"trace fit counts.json", "the law that recorded loads follow"},
    {"place mine.db --strategy contiguous,eplb_global --gpus 32 --nodes 4 --slots 288", "what copies of experts gain"},
    {"place mine.db --strategy robust --gpus 32 --nodes 4 --slots 288 -o plan.json --format sglang",
     "the plan, as SGLang loads it"},
    {"size size-mixtral-8x7b", "the cheapest deployment that meets a plan's targets"},
    {"size size-mixtral-8x7b -o answer.db --scenario answer.yaml", "with every candidate, and the answer to run again"},
    {"sweep sweep-schedules -o schedules.db", "a scenario at every point of a grid"},
    {"sweep sweep-schedules -o part1.db --shard 1/2", "the first half of it, on one of two machines"},
    {"merge part1.db part2.db -o schedules.db", "both halves in one database"},
    {"loss --model deepseek-v2-lite --synthetic --text notes/", "losses of a text"},
    {"assemble --parent a/ --parent b/ --tensors experts=1 -o merged/", "experts of the second, all else of the first"},
    {"schedule dualpipe --stages 4 --micro-batches 8", "a pipeline schedule, drawn", kQuick},
    {"schedule zb_h1 --stages 8 --svg zb.svg", "as a picture", kQuick},
    {"schedule zb_v --from train-deepseek-v2", "at the times of a scenario's stages"},
    {"list", "all names: models, hardware, scenarios, strategies, sections", kQuick},
    {"list serving", "keys of a section", kQuick},
    {"list serving.pools.kv.block", "all about one key", kQuick},
    {"list metrics", "what every figure means", kQuick},
    {"show deepseek-v3", "a model counted part by part", kQuick},
    {"show deepseek-v3 mixtral-8x7b --context 128000", "several side by side", kQuick},
    {"show h800-32 --collectives", "a cluster's links, and what an all-reduce takes on it", kQuick},
    {"explain service.yaml", "a layer's operations and a GPU's memory", kQuick},
    {"explain --model deepseek-v3 --gpu h800 --phase decode --sequences 64 --context 4096", "without a scenario",
     kQuick},
    {"calibrate tables --no-fit", "hold the calibration against tables of your own"},
    {"calibrate tables --gpu h200 -o mine.yaml", "fit one to them"},
    {"validate serve-deepseek-v3-profile-decode", "one published figure beside the simulated"},
    {"validate", "all of them"},
};
}  // namespace

std::span<const Example> examples() { return kExamples; }

std::string examples_of(std::string_view verb) {
  std::string out;
  for (const Example& e : kExamples)
    if (e.command.substr(0, e.command.find(' ')) == verb)
      out += fmt::format("{}  moesim {}\n      {}", out.empty() ? "Examples:\n" : "\n", e.command, e.what);
  return out;
}
}  // namespace moesim::cli
