// moesim trace: what a routing trace holds; from and to other programs' forms.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include <filesystem>

#include "cli/command.h"
#include "cli/numbers.h"
#include "cli/options.h"
#include "cli/trace_fit.h"
#include "core/log.h"
#include "core/new_file.h"
#include "core/terminal.h"
#include "placement/files/recognise.h"
#include "placing/workload.h"
#include "routing/exporters/exporters.h"
#include "routing/importers/import.h"
#include "routing/statistics.h"

namespace moesim::cli {
namespace {
/// Says what is odd about the loads of a trace: experts that nothing chose, a dump of a single rank.
void say_oddities(const std::string& file) {
  const placing::Workload w = placing::read_workload(file);
  // Of a mean of ten rows, nothing is as rare as 1 in 20,000: with fewer an idle expert says nothing.
  constexpr std::int64_t kRowsAnExpert = 10;
  const routing::TraceHeader& h = w.trace->header();
  if (w.trace->tokens() * h.top_k < kRowsAnExpert * h.experts) return;
  for (const std::string& note : placing::oddities(w)) say(note);
}

void add_info(CLI::App* trace) {
  struct Options {
    std::string file;
    bool json = false;
  };
  CLI::App* verb = trace->add_subcommand("info", "what a trace is, has and lacks");
  auto o = std::make_shared<Options>();
  verb->add_option("trace", o->file, "trace")->required();
  verb->add_flag("--json", o->json, "print one JSON object");
  verb->callback([o] {
    const routing::Trace t(o->file);
    o->json ? print_text(routing::info_json(t)) : print_folded(routing::info_text(t));
  });
}

void add_stats(CLI::App* trace) {
  struct Options {
    std::string file;
    int gpus = 0, gpus_per_node = 8;
    bool json = false;
  };
  CLI::App* verb = trace->add_subcommand(
      "stats", "load, repetition, affinity, kinds of text and fan-out by layer, beside published figures");
  auto o = std::make_shared<Options>();
  verb->add_option("trace", o->file, "trace")->required();
  verb->add_option("--gpus", o->gpus,
                   "GPUs of the group that experts are placed on contiguously (default: 32, or an expert each)")
      ->check(whole_number(1, kMostCount));
  verb->add_option("--gpus-per-node", o->gpus_per_node, "GPUs of a node")
      ->check(whole_number(1, kMostCount))
      ->capture_default_str();
  verb->add_flag("--json", o->json, "print one JSON object");
  verb->callback([o] {
    const routing::Trace t(o->file);
    const int gpus = o->gpus > 0 ? o->gpus : std::min(32, t.header().experts);
    const routing::TraceStatistics s = routing::trace_statistics(t, {gpus, o->gpus_per_node});
    o->json ? print_text(routing::statistics_json(t, s)) : print_folded(routing::statistics_text(t, s));
  });
}

/// Bytes as they are; the formats write out what could steer a terminal.  Throws where nobody takes it: what comes
/// after would be made for nothing.
void print(std::string_view text) { fmt::print("{}", text); }

/// Into a file that appears when it is whole.
void export_to(const routing::Exporter& format, const routing::Trace& trace, const std::string& file) {
  NewFile out(file);
  format.write(trace, [&](std::string_view text) { out.write(text); });
  out.keep();
}

void add_export(CLI::App* trace) {
  struct Options {
    std::string file, format = "jsonl", out;
  };
  std::string formats;
  for (const routing::Exporter& e : routing::exporters()) formats += fmt::format("\n{:>12}: {}", e.name, e.summary);
  CLI::App* verb = trace->add_subcommand("export", "a trace in a plain form");
  auto o = std::make_shared<Options>();
  verb->add_option("trace", o->file, "trace")->required();
  verb->add_option("--format", o->format, "one of:" + formats)->capture_default_str();
  add_output(*verb, "-o,--output", o->out, "file to create (default: standard output)");
  verb->callback([o] {
    const routing::Exporter& format = routing::exporter(o->format);
    const routing::Trace t(o->file);
    o->out.empty() ? format.write(t, print) : export_to(format, t, o->out);
  });
}

void add_import(CLI::App* trace) {
  struct Options {
    std::vector<std::string> files;
    routing::ImportOptions import;
  };
  std::string formats;
  for (const routing::Importer& i : routing::importers()) formats += fmt::format("\n{:>16}: {}", i.name, i.summary);
  CLI::App* verb = trace->add_subcommand("import", "a trace from what another program recorded");
  auto o = std::make_shared<Options>();
  verb->add_option("file", o->files,
                   "files of one recording (one a rank where there are several) or their folder; a last one that ends "
                   "in .db is the trace")
      ->required();
  add_output(*verb, "-o,--output", o->import.output, "trace to create (default: the first file's name with .db)");
  verb->add_option("--format", o->import.format, "recognised if not given; one of:" + formats);
  verb->add_option("--model", o->import.model, "model that was recorded: catalogue name, YAML or config.json");
  verb->add_option("--layers", o->import.layers,
                   "what the layer axis counts where the format leaves it open: hidden or moe");
  verb->add_option("--experts", o->import.experts, "experts of a layer, if neither file nor model says")
      ->check(whole_number(1, kMostCount));
  verb->add_option("--top-k", o->import.top_k, "experts of a token, if neither file nor model says")
      ->check(whole_number(1, kMostCount));
  verb->add_option("--tokens", o->import.tokens,
                   "tokens to draw from counts (default: as many as were counted, at most 65536)")
      ->check(whole_number(1, kMostCount));
  verb->add_option("--seed", o->import.seed, "of that drawing")->check(any_seed())->capture_default_str();
  verb->callback([o] {
    routing::ImportOptions& import = o->import;
    if (import.output.empty() && o->files.size() > 1 && o->files.back().ends_with(".db")) {  // import FILE TRACE.db
      import.output = o->files.back();
      o->files.pop_back();
    }
    if (import.output.empty()) {
      std::filesystem::path file = o->files[0];
      if (!file.has_filename()) file = file.parent_path();
      import.output = file.replace_extension(".db").string();
    }
    if (import.format.empty())
      for (const std::string& file : o->files) placement::refuse_placement(file, "recorded routing");
    const std::string_view format = routing::import_trace(o->files, import);
    print_text("imported {} as {}\n\n{}", o->files[0], format, routing::info_text(routing::Trace(import.output)));
    say_oddities(import.output);
  });
}
}  // namespace

void add_trace(CLI::App& app, int&) {
  CLI::App* trace = app.add_subcommand("trace", "what a routing trace holds; from and to other programs' forms");
  trace->require_subcommand(1);
  add_info(trace);
  add_stats(trace);
  add_trace_fit(trace);
  add_import(trace);
  add_export(trace);
}
}  // namespace moesim::cli
