// moesim trace: what a routing trace holds; from and to other programs' forms.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include <cstdio>
#include <fstream>

#include "cli/command.h"
#include "core/files.h"
#include "routing/exporters/exporters.h"
#include "routing/statistics.h"

namespace moesim {
namespace {
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
    const Trace t(o->file);
    fmt::print("{}", o->json ? info_json(t) : info_text(t));
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
      ->check(CLI::PositiveNumber);
  verb->add_option("--gpus-per-node", o->gpus_per_node, "GPUs of a node")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb->add_flag("--json", o->json, "print one JSON object");
  verb->callback([o] {
    const Trace t(o->file);
    const int gpus = o->gpus > 0 ? o->gpus : std::min(32, t.header().experts);
    const TraceStatistics s = trace_statistics(t, {gpus, o->gpus_per_node});
    fmt::print("{}", o->json ? statistics_json(t, s) : statistics_text(t, s));
  });
}

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

/// Into a file that appears when it is whole.
void export_to(const Exporter& format, const Trace& trace, const std::string& file) {
  check_new_file(file);
  const std::string part = file + ".part";
  std::ofstream out(part, std::ios::binary);
  const auto remove = [&] {
    std::error_code ignored;
    out.close();
    std::filesystem::remove(part, ignored);
  };
  try {
    format.write(trace, [&](std::string_view text) {
      if (!out.write(text.data(), std::streamsize(text.size())))
        throw ConfigError(fmt::format("{}: cannot be written", file));
    });
  } catch (...) {
    remove();
    throw;
  }
  out.close();
  std::error_code error;
  std::filesystem::rename(part, file, error);
  if (out && !error) return;
  remove();
  throw ConfigError(fmt::format("{}: cannot be written", file));
}

void add_export(CLI::App* trace) {
  struct Options {
    std::string file, format = "jsonl", out;
  };
  std::string formats;
  for (const Exporter& e : exporters()) formats += fmt::format("\n{:>12}: {}", e.name, e.summary);
  CLI::App* verb = trace->add_subcommand("export", "a trace in a plain form");
  auto o = std::make_shared<Options>();
  verb->add_option("trace", o->file, "trace")->required();
  verb->add_option("--format", o->format, "one of:" + formats)->capture_default_str();
  verb->add_option("-o,--output", o->out, "file to write; standard output if not given");
  verb->callback([o] {
    const Exporter& format = exporter(o->format);
    const Trace t(o->file);
    o->out.empty() ? format.write(t, print) : export_to(format, t, o->out);
  });
}
}  // namespace

void add_trace(CLI::App& app, int&) {
  CLI::App* trace = app.add_subcommand("trace", "what a routing trace holds; from and to other programs' forms");
  trace->require_subcommand(1);
  add_info(trace);
  add_stats(trace);
  add_export(trace);
}
}  // namespace moesim
