#include "placement/files/recognise.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "core/config_error.h"
#include "formats/byte_file.h"

namespace moesim::placement {

bool looks_like_placement(std::string_view head) {
  const auto has = [&](std::string_view word) { return head.find(word) != head.npos; };
  const std::size_t start = head.find_first_not_of(" \t\r\n");
  if (start == head.npos) return false;
  if (head[start] != '{') {
    const std::size_t end = std::min(head.find('\n', start), head.size());
    const std::string_view heading = head.substr(start, end - start);
    constexpr std::string_view kColumns = "layer,gpu,slot,expert";  // behind an index, where pandas wrote it
    return heading.starts_with(kColumns) || heading.find(fmt::format(",{}", kColumns)) != head.npos ||
           has("initial_global_assignments:");
  }
  if (has("\"logical_count\"")) return false;  // counts, recorded under a placement
  return has("\"physical_to_logical_map\"") || (has("\"layer_list\"") && has("\"device_list\"")) ||
         (has("\"layers\"") && has("\"slots\""));
}

void refuse_placement(const std::string& file, std::string_view wanted) {
  std::error_code unknown;  // what cannot be looked up is refused by its reader
  if (!std::filesystem::is_regular_file(file, unknown)) return;
  constexpr std::uint64_t kHead = 1 << 16;
  if (looks_like_placement(formats::ByteFile(file).head(kHead)))
    throw ConfigError::placed(
        fmt::format("{}: is a placement, not {}; give it to moesim place as --from {}, or to a "
                    "scenario as placement: {{file: {}}}",
                    file, wanted, file, file));
}
}  // namespace moesim::placement
