// moesim assemble: a hybrid checkpoint from parents with one architecture.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/numbers.h"
#include "cli/options.h"
#include "core/config.h"
#include "core/log.h"
#include "core/words.h"
#include "formats/json.h"
#include "numerics/weights/assemble.h"

namespace moesim::cli {
namespace {
struct Given {
  std::vector<std::string> parents;
  std::string shard = "5 GB";
  bool json = false;
  numerics::AssemblyOptions options;
};

void run(Given given) {
  for (const std::string& text : given.parents) given.options.parents.push_back(numerics::parse_parent(text));
  Config::from_option("--shard", in_quotes(given.shard)).parse(given.options.shard);
  const numerics::AssemblyResult r = numerics::assemble(given.options);
  if (given.json) {
    const formats::Json out{{"output", given.options.output},
                            {"tensors", r.tensors},
                            {"merged", r.merged},
                            {"below_threshold", r.below},
                            {"bytes", r.bytes},
                            {"files", r.files},
                            {"largest_difference", r.largest_difference},
                            {"largest_difference_tensor", r.largest_name}};
    return print_text("{}\n", formats::json_text(out, 2));
  }
  print_text("{}: {}, {} in {}\n", given.options.output, counted(r.tensors, "tensor"), to_text(Bytes{r.bytes}),
             counted(r.files, "file"));
  print_text("  {} merged, {} as in {}", r.merged, r.tensors - r.merged, given.options.parents.front().folder);
  if (r.below > 0) print_text(", {} of them below the threshold", r.below);
  print_text("\n");
  if (r.largest_difference > 0) print_text("  largest difference {:.4g}: {}\n", r.largest_difference, r.largest_name);
}
}  // namespace

void add_assemble(CLI::App& app, int&) {
  auto given = std::make_shared<Given>();
  CLI::App* verb = app.add_subcommand("assemble", "merge tensors of checkpoints with one architecture into a new one");
  verb->add_option("--parent", given->parents,
                   "Hugging Face folder, with a weight after a colon (default: 1); the first gives what is not merged")
      ->required();
  verb->add_option("--tensors", given->options.tensors,
                   "what to merge: routed_experts, all, or a regular expression on names (default: routed_experts)");
  verb->add_option("--threshold", given->options.threshold,
                   "merge only tensors that differ by more, in Frobenius norm over the first parent's (default: 0)")
      ->check(number_from_zero());
  verb->add_option("--shard", given->shard, "size of the files written (default: 5 GB)");
  add_output(*verb, "-o,--output", given->options.output,
             "folder to create; it has no default: no scenario gives it a name")
      ->required();
  verb->add_flag("--json", given->json, "print one JSON object");
  verb->callback([given] { run(*given); });
}
}  // namespace moesim::cli
