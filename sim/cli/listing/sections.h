// Every section that a file of the user's may hold, with its keys: what `moesim list KEY.PATH` and the reference show.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/family.h"
#include "core/key_help.h"

namespace moesim::cli {

/// The keys of a section, or of one kind of it.
struct Form {
  std::string kind;  // of a family: the strategy; "" for keys that all kinds have
  std::string summary;
  std::vector<KeyHelp> keys;
};
struct Section {
  std::string name, summary;
  std::vector<Form> forms;
};

/// In the order in which somebody reads them.  Made once.
const std::vector<Section>& sections();
/// nullptr if none is called so.
const Section* section_called(std::string_view name);

/// Where another section says what a key may be, which its field list leaves open.
struct Lead {
  std::string_view path;  // of the key, from its section on: "serving.pools.batcher"
  std::string_view to;    // a section, or the keys of one ("serving.pools.kv"); "" for a plain value
  std::string_view type;  // in words
  std::string_view help;  // where the field list has none
};
/// nullptr if the field list says all there is.
const Lead* lead_of(std::string_view path);
const std::vector<Lead>& leads();

/// The families of strategies, one line a family.
std::vector<FamilyHelp> families();
}  // namespace moesim::cli
