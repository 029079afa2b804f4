// Which ranks' dumps of SGLang's recorder were given: each pass of a rank once, and those that are missing named.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "routing/importers/sglang_dump.h"

namespace moesim::routing {
namespace {
namespace fs = std::filesystem;

/// "NAME_3.pt" as NAME and 3.
struct RankName {
  std::string name;
  std::int64_t rank = 0;
};
std::optional<RankName> rank_name(const fs::path& file) {
  const std::string stem = file.stem().string();
  const std::size_t bar = stem.rfind('_');
  if (bar == std::string::npos || file.extension() != ".pt") return std::nullopt;
  RankName out{stem.substr(0, bar), 0};
  const auto [end, error] = std::from_chars(stem.data() + bar + 1, stem.data() + stem.size(), out.rank);
  const bool number = error == std::errc() && end == stem.data() + stem.size() && bar + 1 < stem.size();
  return number && out.rank >= 0 && out.rank < 1 << 20 ? std::optional(out) : std::nullopt;  // not a time
}

/// As its records say, else its name.
std::optional<std::int64_t> rank_of(const formats::TorchFile& file) {
  for (const formats::Pickled& record : dump_records(file))
    if (const formats::Pickled* rank = record.find("rank"); rank && rank->kind == formats::Pickled::Kind::integer)
      return rank->integer;
  const std::optional<RankName> name = rank_name(file.name());
  return name ? std::optional(name->rank) : std::nullopt;
}

/// A recording may be dumped in several parts, but a pass of a rank is in one of them.
void refuse_repeated_passes(const SglangDumps& files) {
  std::map<std::pair<std::int64_t, std::int64_t>, const std::string*> seen;  // (rank, pass): the file that has it
  for (std::size_t f = 0; f < files.size(); ++f) {
    for (std::size_t g = 0; g < f; ++g)
      if (fs::equivalent(files[f]->name(), files[g]->name()))
        throw ConfigError(fmt::format("{}: is given twice", files[f]->name()));
    const std::optional<std::int64_t> rank = rank_of(*files[f]);
    if (!rank) continue;
    for (const formats::Pickled& record : dump_records(*files[f])) {
      const std::int64_t pass = dump_integer(*files[f], record, "forward_pass_id");
      const auto [at, fresh] = seen.try_emplace({*rank, pass}, &files[f]->name());
      if (!fresh && at->second != &files[f]->name())
        throw ConfigError(fmt::format("{}: holds pass {} of rank {}, as {} does; give each rank of one recording once",
                                      files[f]->name(), pass, *rank, *at->second));
    }
  }
}

/// Ranks that files beside those given are named after.
void add_neighbours(const std::string& file, std::set<std::int64_t>& ranks) {
  const std::optional<RankName> own = rank_name(file);
  const fs::path folder = fs::path(file).parent_path();
  std::error_code unreadable;  // a folder that may be entered but not listed tells nothing
  if (!own) return;
  for (fs::directory_iterator at(folder.empty() ? "." : folder, unreadable), end; !unreadable && at != end;
       at.increment(unreadable))
    if (const auto other = rank_name(at->path()); other && other->name == own->name) ranks.insert(other->rank);
}
}  // namespace

std::string ranks_note(const SglangDumps& files) {
  refuse_repeated_passes(files);
  std::set<std::int64_t> given, there;
  for (const auto& file : files) {
    const std::optional<std::int64_t> rank = rank_of(*file);
    if (!rank) continue;
    given.insert(*rank);
    // Names count ranks as the records do, or tell nothing of them.
    if (const auto name = rank_name(file->name()); name && name->rank == *rank) add_neighbours(file->name(), there);
  }
  std::vector<std::int64_t> missing;
  constexpr std::size_t kShown = 16, kMostListed = 4096;
  for (std::int64_t r = 0; !given.empty() && r < *given.rbegin() && there.size() <= kMostListed; ++r)
    if (!given.contains(r)) there.insert(r);
  for (const std::int64_t r : there)
    if (!given.contains(r)) missing.push_back(r);
  const std::string whose = given.empty() ? "one rank" : fmt::format("rank {}", *given.begin());
  std::string absent;
  if (!missing.empty())
    absent = fmt::format("{} {}{}", missing.size() > 1 ? "ranks" : "rank",
                         fmt::join(std::span(missing).first(std::min(missing.size(), kShown)), ", "),
                         missing.size() > kShown ? " and others" : "");
  if (files.size() == 1)
    return fmt::format(
        "these are the tokens of {} alone; each rank writes a file (..._RANK.pt): give all of one recording together{}",
        whose, absent.empty() ? "" : fmt::format("; {} {} not given", absent, missing.size() > 1 ? "are" : "is"));
  if (absent.empty()) return "";
  return fmt::format("these are the tokens of {} {} alone: {} {} not given, and so are their tokens missing",
                     given.size() > 1 ? "ranks" : "rank", fmt::join(given, ", "), absent,
                     missing.size() > 1 ? "are" : "is");
}
}  // namespace moesim::routing
