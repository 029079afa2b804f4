// The reference: where a path of keys leads, and what stands there.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/listing/sections.h"
#include "formats/json.h"

namespace moesim::cli {

/// A section, or a key in one.
struct Place {
  std::string path;              // from its section on: "serving.pools.kv"
  const Form* form = nullptr;    // that has the key; nullptr for a section
  const KeyHelp* key = nullptr;  // likewise
  const Section* section = nullptr;
};

/// What `path` names, as it stands in a file or a --set: numbers of list elements are passed over, and where a key
/// leads to another section the path goes on there.  Several where several kinds of a family have such a key; empty if
/// nothing is called so.  kind: only keys of this kind of the family; "" for any.
std::vector<Place> look_up(std::string_view path, std::string_view kind = "");
/// The keys below: of a section, of a key that is one, or of what a key leads to; each with the form that has it.
std::vector<Place> below(const Place& place);
/// For the end of an error: the nearest name, or paths that end in this word.
std::string suggested_path(std::string_view path);

/// Every key that is written out in `section`, nested ones after theirs.
void for_each_key(const Section& section,
                  const std::function<void(const Form&, const std::string& path, const KeyHelp&)>& f);

/// At most 80 columns wide; a key with all that is known of it, a section with a short entry for each key.
std::string reference_text(const std::vector<Place>& places);
formats::Json reference_json(const std::vector<Place>& places);
/// A line for each section.
std::string sections_text();
/// All sections: reports/reference.md.
std::string reference_markdown();
}  // namespace moesim::cli
