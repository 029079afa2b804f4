#include "sizing/trial_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "core/files.h"
#include "core/in_shell.h"
#include "core/log.h"
#include "core/words.h"
#include "results/output.h"
#include "results/program.h"
#include "results/sql.h"

namespace moesim::sizing {
namespace {
using Value = results::Results::Value;
// Columns of the table `trial`: scenario, seed, latencies, share, finished, rejected, utilisation of two pools, errors
// of kernels, limiter, piled_up, overloaded, gpus, tokens a GPU, three costs, warnings, requests measured.
constexpr int kLatencyAt = 3, kShareAt = kLatencyAt + int(kLatencies.size()), kMostPools = 2,
              kKernelsAt = kShareAt + 3 + kMostPools, kLimiterAt = kKernelsAt + 4, kEconomyAt = kLimiterAt + 3,
              kWarningsAt = kEconomyAt + 5, kMeasuredAt = kWarningsAt + 1;

std::vector<Value> row_of(const TrialBook::Key& key, const Figures& f) {
  std::vector<Value> out{key.first, std::int64_t(key.second)};
  for (const double latency : f.latency) out.emplace_back(latency);
  out.insert(out.end(), {Value(f.share), Value(f.finished), Value(f.rejected)});
  for (std::size_t p = 0; p < std::size_t(kMostPools); ++p)
    out.push_back(p < f.utilisation.size() ? Value(f.utilisation[p]) : results::Results::null());
  for (const double e : {f.kernels.median, f.kernels.p90, f.kernels.borrowed_median, f.kernels.borrowed_p90})
    out.emplace_back(e);
  out.emplace_back(f.limiter);
  for (const double figure : {f.piled_up, double(f.overloaded), f.gpus, f.tokens_per_gpu, f.cost_per_million,
                              f.cost_per_million_input, f.cost_per_million_output})
    out.emplace_back(figure);
  out.emplace_back(f.warnings);
  out.emplace_back(f.measured);
  return out;
}

std::vector<Value> row_of(const TrialBook::StepKey& key, const StepResult& r) {
  return {key.scenario, std::int64_t(key.seed), key.batch, r.step, r.mfu_bf16, r.bubble,
          r.exposed,    r.peak_memory,          r.memory};
}

Figures figures_of(const results::Statement& row) {
  Figures out;
  for (std::size_t i = 0; i < kLatencies.size(); ++i) out.latency[i] = row.real(kLatencyAt + int(i));
  out.share = row.real(kShareAt);
  out.finished = row.real(kShareAt + 1);
  out.rejected = row.real(kShareAt + 2);
  for (int p = 0; p < kMostPools; ++p)
    if (!row.is_null(kShareAt + 3 + p)) out.utilisation.push_back(row.real(kShareAt + 3 + p));
  out.kernels = {row.real(kKernelsAt), row.real(kKernelsAt + 1), row.real(kKernelsAt + 2), row.real(kKernelsAt + 3)};
  out.limiter = row.text(kLimiterAt);
  out.piled_up = row.real(kLimiterAt + 1);
  out.overloaded = row.real(kLimiterAt + 2) != 0;
  out.gpus = row.real(kEconomyAt);
  out.tokens_per_gpu = row.real(kEconomyAt + 1);
  out.cost_per_million = row.real(kEconomyAt + 2);
  out.cost_per_million_input = row.real(kEconomyAt + 3);
  out.cost_per_million_output = row.real(kEconomyAt + 4);
  out.warnings = row.text(kWarningsAt);
  out.measured = row.real(kMeasuredAt);
  return out;
}

/// Columns of the table `step_trial`.
std::pair<TrialBook::StepKey, StepResult> step_of(const results::Statement& row) {
  return {{row.text(1), std::uint64_t(row.integer(2)), int(row.integer(3))},
          {row.real(4), row.real(5), row.real(6), row.real(7), row.integer(8), false, row.text(9)}};
}

constexpr const char* kOtherwise = "one of its simulations came out otherwise than the same one before";
constexpr const char *kGoneOn = "gone on with", *kMerged = "merged";
[[noreturn]] void refuse(const std::string& file, const char* use, const std::string& why) {
  throw ConfigError::placed(fmt::format("{}: cannot be {}: {}", file, use, why));
}

constexpr std::string_view kSet = "set ", kShard = "shard: ";
/// The lines of run.resolved that asked_text() wrote.
struct Asked {
  std::string sets;  // as the options that asked for them
  Shard shard{};
};
Asked asked_of(const std::string& resolved) {
  Asked out;
  std::istringstream lines(resolved);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(kSet)) {
      const std::size_t colon = std::min(line.find(": "), line.size());
      out.sets +=
          fmt::format("{}--set {}={}", out.sets.empty() ? "" : " ", line.substr(kSet.size(), colon - kSet.size()),
                      line.substr(std::min(colon + 2, line.size())));
    }
    if (!line.starts_with(kShard)) continue;
    std::istringstream shard(line.substr(kShard.size()));
    char slash = 0;
    shard >> out.shard.number >> slash >> out.shard.of;
  }
  return out;
}
std::string sets_text(const Asked& asked) { return asked.sets.empty() ? "no --set" : asked.sets; }

/// Throws ConfigError unless the run is of the same plan, values set, seed and version.
void check_same_search(const std::string& file, const char* use, const results::Statement& run,
                       const results::RunIdentity& search) {
  if (run.text(0) != search.scenario) refuse(file, use, "it is of another plan, or of another text of it");
  const Asked held = asked_of(run.text(3)), asked = asked_of(search.resolved);
  const bool merges = use == kMerged;
  if (held.sets != asked.sets)
    refuse(file, use,
           fmt::format("it is of {}, {} {}", sets_text(held), merges ? "the first one" : "asked for is",
                       sets_text(asked)));
  if (std::uint64_t(run.integer(1)) != search.seed)
    refuse(
        file, use,
        fmt::format("it is of seed {}, {} {}", run.integer(1), merges ? "the first one" : "asked for is", search.seed));
  if (results::figures_by(run.text(2)) != results::figures_by(results::program()))
    refuse(file, use, fmt::format("it is of version {}, this is {}", run.text(2), results::program()));
  if (merges || asked.shard.of == 1) return;
  if (held.shard.number != asked.shard.number || held.shard.of != asked.shard.of)
    refuse(file, use,
           fmt::format("it is {}, asked for is {}/{}",
                       held.shard.of == 1 ? "no shard" : fmt::format("shard {}/{}", held.shard.number, held.shard.of),
                       asked.shard.number, asked.shard.of));
}

/// Every shard of one search, each once.
void check_shards(const std::vector<std::string>& files, bool partial) {
  std::map<int, std::string> seen;
  int of = 1;
  for (const std::string& file : files) {
    const std::optional<results::RunIdentity> search = search_in(file);
    if (!search) throw ConfigError::placed(fmt::format("{}: holds no search for a plan's answer", file));
    const Shard shard = asked_of(search->resolved).shard;
    if (shard.of < 2) refuse(file, kMerged, "it is no shard: moesim size --shard writes them");
    if (!seen.empty() && shard.of != of)
      refuse(file, kMerged, fmt::format("it is shard {}/{}, the first one is of {}", shard.number, shard.of, of));
    of = shard.of;
    const auto [at, fresh] = seen.emplace(shard.number, file);
    if (!fresh)
      throw ConfigError::placed(fmt::format("{} and {} are both shard {}/{}", at->second, file, shard.number, of));
  }
  for (int k = 1; k <= of && !partial; ++k)
    if (!seen.contains(k))
      throw ConfigError::placed(
          fmt::format("shard {}/{} is missing; name all shards, or merge what there is with --partial", k, of));
}

void read_trials(const std::string& file, const char* use, const results::RunIdentity& search, TrialBook& book) {
  const results::Database db = results::Database::open(file);
  results::check_results(db, false);
  results::Statement run = db.prepare("SELECT scenario, seed, version, resolved FROM run WHERE study = 'size'");
  if (!run.step()) refuse(file, use, "it holds no search for a plan's answer");
  check_same_search(file, use, run, search);
  results::Statement trials = db.prepare("SELECT * FROM trial ORDER BY rowid");
  if (trials.columns() != kMeasuredAt + 1) refuse(file, use, "its table of simulations has other columns");
  while (trials.step()) {
    const std::string scenario = trials.text(1);
    const auto seed = std::uint64_t(trials.integer(2));
    const Figures figures = figures_of(trials);
    if (const auto known = book.find(scenario, seed); known && !(*known == figures)) refuse(file, use, kOtherwise);
    book.add(scenario, seed, figures);
  }
  if (!db.has_table("step_trial")) return;
  results::Statement steps = db.prepare("SELECT * FROM step_trial ORDER BY rowid");
  while (steps.step()) {
    const auto [key, result] = step_of(steps);
    if (const auto known = book.find(key); known && !(*known == result)) refuse(file, use, kOtherwise);
    book.add(key, result);
  }
}
}  // namespace

std::optional<Figures> TrialBook::find(const std::string& scenario, std::uint64_t seed) const {
  const std::lock_guard lock(mutex_);
  const auto at = figures_.find({scenario, seed});
  if (at == figures_.end()) return std::nullopt;
  asked_.insert(at->first);
  return at->second;
}

void TrialBook::add(const std::string& scenario, std::uint64_t seed, const Figures& figures) {
  const std::lock_guard lock(mutex_);
  const auto [at, fresh] = figures_.try_emplace({scenario, seed}, figures);
  asked_.insert(at->first);
  if (fresh && results_ != nullptr) results_->add(results::Table::trial, row_of(at->first, figures));
}

std::size_t TrialBook::asked() const {
  const std::lock_guard lock(mutex_);
  return asked_.size();
}

void TrialBook::forget_asked() {
  const std::lock_guard lock(mutex_);
  asked_.clear();
}

std::optional<StepResult> TrialBook::find(const StepKey& key) const {
  const std::lock_guard lock(mutex_);
  const auto at = steps_.find(key);
  return at == steps_.end() ? std::nullopt : std::optional(at->second);
}

void TrialBook::add(const StepKey& key, const StepResult& result) {
  const std::lock_guard lock(mutex_);
  const auto [at, fresh] = steps_.try_emplace(key, result);
  if (fresh && results_ != nullptr) results_->add(results::Table::step_trial, row_of(at->first, result));
}

void TrialBook::keep_in(results::Results& results) {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, step] : steps_) results.add(results::Table::step_trial, row_of(key, step));
  for (const auto& [key, figures] : figures_) results.add(results::Table::trial, row_of(key, figures));
  results_ = &results;
}

std::size_t TrialBook::size() const {
  const std::lock_guard lock(mutex_);
  return figures_.size() + steps_.size();
}

void TrialBook::put_in_order(results::Results& results) const {
  results::sort_rows(results.database(), "trial", "scenario, seed");
  results::sort_rows(results.database(), "step_trial", "scenario, seed, batch");
}

std::string asked_text(const std::vector<Config::Override>& overrides, Shard shard) {
  std::map<std::string, std::string> last;  // of one key, the one that counts
  for (const Config::Override& o : overrides) last[o.path] = o.value;
  std::string out;
  for (const auto& [path, value] : last) out += fmt::format("{}{}: {}\n", kSet, path, value);
  if (shard.of > 1) out += fmt::format("{}{}/{}\n", kShard, shard.number, shard.of);
  return out;
}

std::optional<results::RunIdentity> search_in(const std::string& file) {
  const results::Database db = results::Database::open(file);
  if (!db.has_table("run")) return std::nullopt;
  results::Statement s = db.prepare("SELECT title, file, scenario, seed, resolved FROM run WHERE study = 'size'");
  if (!s.step()) return std::nullopt;
  return results::RunIdentity{s.text(0), "size", s.text(1), s.text(2), s.text(4), std::uint64_t(s.integer(3))};
}

void read_trials(const std::string& file, const results::RunIdentity& search, TrialBook& book) {
  read_trials(file, kGoneOn, search, book);
}

void merge_trials(const std::string& output, const std::vector<std::string>& shards, bool partial) {
  results::make_way(output);
  check_shards(shards, partial);
  TrialBook book;
  results::RunIdentity search = *search_in(shards.front());
  for (const std::string& shard : shards) read_trials(shard, kMerged, search, book);
  std::string sets, options;  // of a shard that was finished, all settings follow
  std::istringstream lines(search.resolved);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(kSet)) continue;
    sets += line + "\n";
    options += " --set " + in_shell(line.substr(kSet.size()).replace(line.find(": ") - kSet.size(), 2, "="));
  }
  search.resolved = sets;
  results::Results results(output, search);
  book.keep_in(results);
  book.put_in_order(results);
  results.finish({std::string(results::kUnanswered), 0, std::uint64_t(book.size()), {}, 0}, sets);
  say(fmt::format("{} holds {}; the answer: moesim size {}{} --seed {} --resume -o {}", output,
                  counted(book.size(), "simulation"), in_shell(search.file), options, search.seed, in_shell(output)));
}
}  // namespace moesim::sizing
