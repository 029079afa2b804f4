// SGLang's expert distribution recorder: stat, per_pass and per_token files (.pt), one or several ranks.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "routing/importers/import_layers.h"
#include "routing/importers/sglang_dump.h"

namespace moesim::routing {

std::int64_t dump_integer(const formats::TorchFile& file, const formats::Pickled& record, const char* key) {
  const formats::Pickled* v = record.find(key);
  if (v == nullptr || v->kind != formats::Pickled::Kind::integer)
    throw ConfigError(fmt::format("{}: \"{}\": expected a whole number", file.name(), key));
  return v->integer;
}

formats::ArraySource dump_array(const formats::TorchFile& file, const formats::Pickled* value, const std::string& what,
                                std::size_t rank) {
  formats::ArraySource a = file.array(value, what);
  if (a.shape.size() != rank)
    throw ConfigError(fmt::format("{}: expected {} dimensions, got {}", a.where, rank, a.shape_text()));
  return a;
}

PhysicalMap physical_map(const formats::TorchFile& file) {
  const formats::ArraySource a =
      dump_array(file, file.root().find("last_physical_to_logical_map"), "last_physical_to_logical_map", 2);
  PhysicalMap out{a.shape[0], a.shape[1], {}, 0};
  if (out.layers < 1 || out.layers > kMostLayers || out.physical < 1)
    throw ConfigError(fmt::format("{}: expected [layers, physical experts], got {}", a.where, a.shape_text()));
  a.read_integers(0, out.layers, out.logical);
  for (const std::int32_t e : out.logical) {
    if (e < 0 || e >= out.physical) throw ConfigError(fmt::format("{}: names logical expert {}", a.where, e));
    out.experts = std::max(out.experts, e + 1);
  }
  return out;
}

const std::vector<formats::Pickled>& dump_records(const formats::TorchFile& file) {
  const formats::Pickled* list = file.root().find("records");
  if (list == nullptr || list->kind != formats::Pickled::Kind::list)
    throw ConfigError(fmt::format("{}: \"records\": expected a list", file.name()));
  std::set<const void*> seen;
  for (const formats::Pickled& record : *list->items)
    if (record.kind == formats::Pickled::Kind::dictionary && !seen.insert(record.items.get()).second)
      throw ConfigError(
          fmt::format("{}: \"records\": record {} is there a second time", file.name(), &record - list->items->data()));
  return *list->items;
}

void DumpBudget::add(const formats::TorchFile& file, const formats::ArraySource& array) {
  const std::uint64_t more = std::uint64_t(array.elements()) * std::uint64_t(formats::element_bytes(array.type));
  if ((bytes_[&file] += more) > file.bytes())
    throw ConfigError(
        fmt::format("{}: the arrays of its records share their numbers; save copies of them", array.where));
}

namespace {
void read_stat(const ImportContext& context, const formats::TorchFile& file) {
  if (context.files.size() > 1)
    throw ConfigError(fmt::format("{}: holds all ranks already; give one such file", context.files[1]));
  const formats::ArraySource a = dump_array(file, file.root().find("logical_count"), "logical_count", 3);
  if (a.shape[1] < 1 || a.shape[1] > kMostLayers || a.shape[2] < 1 || a.shape[2] > INT16_MAX)
    throw ConfigError(fmt::format("{}: expected [passes, layers, experts], got {}", a.where, a.shape_text()));
  CountedSource s;
  s.name = "SGLang expert distribution recorder, stat";
  s.file = file.name();
  s.axis_size = int(a.shape[1]);
  s.experts = int(a.shape[2]);
  int unused = 0;
  for (std::int64_t step = 0; step < a.shape[0]; ++step) {
    CountedPass pass;
    a.read_reals(step, 1, pass.counts);
    if (std::all_of(pass.counts.begin(), pass.counts.end(), [](double n) { return n == 0; }))
      ++unused;
    else
      s.passes.push_back(std::move(pass));
  }
  if (unused > 0)
    s.notes.push_back(fmt::format("{} of {} recorded passes are empty and were left out", unused, a.shape[0]));
  s.notes.push_back("a recorder whose buffer wrapped around gives passes out of order");
  import_counts(context, s);
}

void read_per_pass(const ImportContext& context, const SglangDumps& files) {
  std::map<std::int64_t, CountedPass> passes;
  std::map<std::int64_t, std::size_t> ranks_of;  // how many files hold the pass
  CountedSource s;
  s.name = "SGLang expert distribution recorder, per_pass";
  s.file = context.files[0];
  DumpBudget budget;
  for (const auto& file : files) {
    const PhysicalMap map = physical_map(*file);
    if (s.axis_size == 0) s.axis_size = int(map.layers), s.experts = map.experts;
    check_sizes(file->name(), map.layers, map.experts);
    if (s.axis_size != map.layers || s.experts != map.experts)
      throw ConfigError(fmt::format("{}: has {} layers of {} experts, {} has {} of {}", file->name(), map.layers,
                                    map.experts, s.file, s.axis_size, s.experts));
    for (const formats::Pickled& record : dump_records(*file)) {
      const formats::ArraySource a =
          dump_array(*file, record.find("global_physical_count"), "global_physical_count", 2);
      if (a.shape[0] != map.layers || a.shape[1] != map.physical)
        throw ConfigError(fmt::format("{}: expected [{}, {}] like the map, got {}", a.where, map.layers, map.physical,
                                      a.shape_text()));
      budget.add(*file, a);
      const std::int64_t id = dump_integer(*file, record, "forward_pass_id");
      ++ranks_of[id];
      CountedPass& pass = passes[id];
      pass.counts.resize(std::size_t(s.axis_size) * std::size_t(s.experts));
      std::vector<double> physical;
      a.read_reals(0, map.layers, physical);
      for (std::size_t i = 0; i < physical.size(); ++i)
        pass.counts[i / std::size_t(map.physical) * std::size_t(s.experts) + std::size_t(map.logical[i])] +=
            physical[i];
    }
  }
  for (auto& [id, pass] : passes) s.passes.push_back(std::move(pass));
  if (const std::string note = ranks_note(files); !note.empty()) s.notes.push_back(note);
  const auto partial = std::ranges::count_if(ranks_of, [&](const auto& p) { return p.second < files.size(); });
  if (partial > 0)
    s.notes.push_back(fmt::format("{} of {} passes are not in all {} files: the others' tokens are missing in them",
                                  partial, ranks_of.size(), files.size()));
  s.notes.push_back(
      "physical experts were named by the last map; a rebalancing during the recording would misname earlier passes");
  import_counts(context, s);
}

bool recognise(const std::string&, std::string_view head) {
  return head.starts_with("PK\x03\x04") && head.substr(0, 512).find("data.pkl") != std::string_view::npos;
}

void read(const ImportContext& context) {
  SglangDumps files;
  for (const std::string& f : context.files) files.push_back(std::make_unique<formats::TorchFile>(f));
  if (files[0]->root().find("logical_count") != nullptr) return read_stat(context, *files[0]);
  const std::vector<formats::Pickled>& first = dump_records(*files[0]);
  if (first.empty()) throw ConfigError(fmt::format("{}: holds no pass", context.files[0]));
  if (first[0].find("topk_ids_of_layer") != nullptr) return read_sglang_per_token(context, files);
  if (first[0].find("global_physical_count") != nullptr) return read_per_pass(context, files);
  throw ConfigError(fmt::format("{}: its records are neither per_pass nor per_token", context.files[0]));
}
}  // namespace

Importer sglang_recorder_importer() {
  return {"sglang-recorder", "SGLang expert distribution recorder: stat, per_pass, per_token (.pt, one file a rank)",
          recognise, read};
}
}  // namespace moesim::routing
