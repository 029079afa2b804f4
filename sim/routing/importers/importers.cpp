#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "core/files.h"
#include "formats/byte_file.h"
#include "routing/importers/import.h"
#include "spec/catalogue.h"

namespace moesim::routing {
namespace {
constexpr std::uint64_t kHead = 1 << 20;

const Importer& choose(const std::vector<std::string>& files, const std::string& format) {
  std::vector<std::string_view> names;
  for (const Importer& i : importers()) {
    if (i.name == format) return i;
    names.push_back(i.name);
  }
  if (!format.empty())
    throw ConfigError::placed(
        fmt::format("--format: no import format is called \"{}\"{}", format, suggestion(format, names, "there are")));
  const std::string& file = files[0];
  std::error_code unknown;  // a name that cannot be looked up is refused by the reader
  const bool folder = std::filesystem::is_directory(file, unknown);
  const std::string head = folder ? "" : formats::ByteFile(file).head(kHead);
  if (head.empty() && !folder) throw ConfigError(fmt::format("{}: is empty", file));
  if (head.starts_with("SQLite format 3"))
    throw ConfigError(fmt::format("{}: is an SQLite database; a trace needs no import", file));
  for (const Importer& i : importers())
    if (i.recognise(file, head)) return i;
  throw ConfigError(
      fmt::format("{}: its format is not recognised; name it with --format ({})", file, fmt::join(names, ", ")));
}
}  // namespace

const std::vector<Importer>& importers() {
  static const std::vector<Importer> table = {
      sglang_recorder_importer(), router_logits_importer(), npy_importer(),         npy_loads_importer(),
      imatrix_importer(),         megatron_importer(),      token_layer_importer(), plain_tokens_importer(),
      sglang_reply_importer(),    vllm_reply_importer(),    loads_importer(),       tensorrt_llm_importer()};
  return table;
}

std::string_view import_trace(const std::vector<std::string>& files, const ImportOptions& options) {
  if (!options.layers.empty() && options.layers != "hidden" && options.layers != "moe")
    throw ConfigError::placed(fmt::format("--layers: expected hidden or moe, got \"{}\"", options.layers));
  if (options.tokens < 0 || options.tokens > 1'000'000)
    throw ConfigError::placed(fmt::format("--tokens: expected 1 to 1000000, got {}", options.tokens));
  make_way_for_trace(options.output);
  ImportContext context{files, options, {}};
  if (!options.model.empty()) {
    context.model = spec::load_model(options.model);
    if (!context.model->moe) throw ConfigError::placed(fmt::format("--model: {} has no experts", context.model->name));
  }
  const Importer& importer = choose(files, options.format);
  importer.read(context);
  return importer.name;
}
}  // namespace moesim::routing
