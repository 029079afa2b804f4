// YAML of anything, with values set on the command line: lines "set key.path=value" at its beginning.  Every value is
// read as every type: numbers, quantities with units, file names.
#include "core/config.h"
#include "core/typed_list.h"
#include "core/yaml_line.h"
#include "fuzz/support/input.h"

namespace moesim::fuzz {
namespace {
template <class... Types>
void read_as(const Config& value) {
  const auto one = [&]<class T>(T out) {
    if (!taken([&] { value.parse(out); })) return;
    // What a value in force is written as reads as the same.
    const std::string text = to_text(out);
    T again{};
    hold(taken([&] { Config::from_option("o", yaml_scalar(text)).parse(again); }), "not read again: " + text);
    hold(to_text(again) == text, "read again as another: " + text);
  };
  (one(Types{}), ...);
}

void walk(const Config& value, int& left) {
  if (value.is_list()) {
    for (const Config& item : value.items()) walk(item, left);
  } else if (value.is_map()) {
    for (const std::string& key : value.keys()) {
      hold(value.has(key), "a key is not found");
      walk(value.at(key), left);
    }
  } else if (--left > 0) {
    read_as<bool, int, std::int64_t, std::uint64_t, double, Time, Bytes, Bandwidth, FlopRate, Power, Price>(value);
    taken([&] {
      DataFile file;
      value.parse(file);
    });
    taken([&] { (void)typed_list(value.text()); });
    taken([&] { value.fail("x"); });
  }
}

void read(std::string_view input) {
  std::vector<Config::Override> overrides;
  while (input.starts_with("set ")) {
    const std::string_view line = input.substr(4, input.find('\n') - 4);
    input.remove_prefix(std::min(input.size(), line.size() + 5));
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    overrides.push_back({std::string(line.substr(0, equals)), std::string(line.substr(equals + 1))});
  }
  const Config config = Config::from_text(std::string(input), "a.yaml", overrides);
  int left = 6;  // values that are read, since each refusal takes time
  walk(config, left);
  if (!overrides.empty()) return;
  const std::string line = yaml_line(config);
  const Config again = Config::from_text(line, "b.yaml");
  hold(yaml_line(again) == line, "a line of YAML reads as another: " + line);
}
}  // namespace
}  // namespace moesim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  moesim::fuzz::taken([&] { moesim::fuzz::read(moesim::fuzz::text_of(data, size)); });
  return 0;
}
