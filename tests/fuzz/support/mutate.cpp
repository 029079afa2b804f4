#include "fuzz/support/mutate.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <vector>

namespace moesim::fuzz {
namespace {
/// Every word of the reference of keys: keys, kinds, names.
std::vector<std::string> words_of_reference() {
  std::ifstream in(SOURCE_DIR "/reports/reference.md");
  std::set<std::string> out{"kind"};
  std::string word;
  for (std::istreambuf_iterator<char> c(in), end; c != end; ++c) {
    if ((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '_') {
      word += *c;
    } else if (!word.empty()) {
      if (word.size() > 2 && word.size() < 30) out.insert(word);
      word.clear();
    }
  }
  return {out.begin(), out.end()};
}

void change_scalar(Tree& value, Draw& draw, const std::vector<Tree*>& all) {
  value.quoted = draw.below(8) == 0;
  switch (draw.below(4)) {
    case 0:
      value.text = telling_value(draw);
      break;
    case 1:
      value.text = all[draw.below(all.size())]->text;
      break;
    case 2:
      value.text = known_word(draw);
      break;
    default:
      value.text = mutated_bytes(value.text, value.text.size() + 16);
  }
}

void change_container(Tree& value, Draw& draw, const std::vector<Tree*>& all) {
  const std::size_t at = draw.below(value.items.size());
  Tree other = *all[draw.below(all.size())];
  if (values_of(other).size() > 200) other = Tree{.text = telling_value(draw)};
  switch (value.items.empty() ? 0 : draw.below(5)) {
    case 0:
      other.key = known_word(draw);
      value.items.insert(value.items.begin() + std::ptrdiff_t(at), std::move(other));
      break;
    case 1:
      value.items.erase(value.items.begin() + std::ptrdiff_t(at));
      break;
    case 2:
      value.items[at].key = known_word(draw);
      break;
    case 3:
      std::swap(value.items[at].key, value.items[draw.below(value.items.size())].key);
      break;
    default: {
      Tree copy = value.items[at];
      if (value.kind == Tree::Kind::map) copy.key = known_word(draw);
      if (values_of(copy).size() < 200) value.items.push_back(std::move(copy));
    }
  }
}

void change(Tree& root, Draw& draw) {
  const std::vector<Tree*> all = values_of(root);
  Tree& value = *all[draw.below(all.size())];
  if (draw.below(12) == 0) {  // another kind of value
    const std::string key = value.key;
    Tree inner = draw.below(2) == 0 ? Tree{.text = telling_value(draw)} : value;
    const auto kind = Tree::Kind(draw.below(3));
    if (kind == Tree::Kind::scalar)
      value = Tree{.text = telling_value(draw)};
    else if (values_of(inner).size() < 200)
      value = Tree{.kind = kind, .items = {std::move(inner)}};
    value.key = key;
  } else if (value.kind == Tree::Kind::scalar) {
    change_scalar(value, draw, all);
  } else {
    change_container(value, draw, all);
  }
}

std::size_t put(const std::string& text, std::uint8_t* out, std::size_t most) {
  if (text.empty() || text.size() > most) return 0;
  std::memcpy(out, text.data(), text.size());
  return text.size();
}
}  // namespace

std::string telling_value(Draw& draw) {
  static constexpr const char* kValues[] = {"0",
                                            "1",
                                            "2",
                                            "3",
                                            "7",
                                            "64",
                                            "-1",
                                            "-2",
                                            "0.5",
                                            "1.5",
                                            "1e-9",
                                            "1e9",
                                            "1e300",
                                            "-1e300",
                                            "nan",
                                            "inf",
                                            "65536",
                                            "2147483647",
                                            "2147483648",
                                            "4294967297",
                                            "9223372036854775807",
                                            "9223372036854775808",
                                            "18446744073709551615",
                                            "1000000",
                                            "1000000000",
                                            "null",
                                            "none",
                                            "true",
                                            "false",
                                            "auto",
                                            "all",
                                            "",
                                            " ",
                                            "~",
                                            "x",
                                            "\"",
                                            "1 us",
                                            "0 s",
                                            "-1 s",
                                            "106 d",
                                            "107 d",
                                            "1e9 h",
                                            "1 B",
                                            "80 GiB",
                                            "1e12 TB",
                                            "0 B",
                                            "400 Gbps",
                                            "0 GB/s",
                                            "900 TFLOP/s",
                                            "1 W",
                                            "2 USD/h",
                                            "0..7",
                                            "1-4",
                                            "1,2,3",
                                            "..",
                                            "a.b",
                                            "a[0]",
                                            "/dev/null",
                                            "/",
                                            ".",
                                            "{",
                                            "[",
                                            "%",
                                            "\xc3\xa4",
                                            "bf16",
                                            "fp8",
                                            "fp4",
                                            "1:2",
                                            "0x10",
                                            "010",
                                            "1_000",
                                            "+1",
                                            ".5",
                                            "5."};
  return kValues[draw.below(std::size(kValues))];
}

const std::string& known_word(Draw& draw) {
  static const std::vector<std::string> words = words_of_reference();
  return words[draw.below(words.size())];
}

std::string mutated_bytes(std::string text, std::size_t most) {
  most = std::max<std::size_t>(most, 1);
  const std::size_t size = std::min(text.size(), most);
  text.resize(most);
  text.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(text.data()), size, most));
  return text;
}

std::size_t mutate_tree(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed, Form form) {
  Draw draw(seed);
  if (draw.below(8) == 0) return LLVMFuzzerMutate(data, size, most);
  std::optional<Tree> tree = tree_of(std::string(reinterpret_cast<const char*>(data), size));
  if (!tree) return LLVMFuzzerMutate(data, size, most);
  for (std::size_t changes = 1 + draw.below(3); changes > 0; --changes) change(*tree, draw);
  const std::size_t written = put(text_of(*tree, form), data, most);
  return written > 0 ? written : LLVMFuzzerMutate(data, size, most);
}

std::size_t cross_trees(const std::uint8_t* a, std::size_t a_size, const std::uint8_t* b, std::size_t b_size,
                        std::uint8_t* out, std::size_t most, unsigned seed, Form form) {
  Draw draw(seed);
  std::optional<Tree> one = tree_of(std::string(reinterpret_cast<const char*>(a), a_size)),
                      other = tree_of(std::string(reinterpret_cast<const char*>(b), b_size));
  if (!one || !other) return 0;
  const std::vector<Tree*> places = values_of(*one), givers = values_of(*other);
  Tree& place = *places[draw.below(places.size())];
  Tree given = *givers[draw.below(givers.size())];
  if (draw.below(2) == 0 || given.key.empty()) given.key = place.key;
  place = std::move(given);
  return put(text_of(*one, form), out, most);
}

std::size_t mutate_table(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  Draw draw(seed);
  if (size == 0 || draw.below(6) == 0) return LLVMFuzzerMutate(data, size, most);
  std::vector<std::vector<std::string>> rows(1, std::vector<std::string>(1));
  for (std::size_t i = 0; i < size; ++i) {
    const char c = char(data[i]);
    if (c == '\n')
      rows.emplace_back(1);
    else if (c == ',')
      rows.back().emplace_back();
    else
      rows.back().back() += c;
  }
  for (std::size_t changes = 1 + draw.below(3); changes > 0; --changes) {
    const std::size_t at = draw.below(rows.size());
    std::vector<std::string>& row = rows[at];
    std::string& cell = row[draw.below(row.size())];
    const std::vector<std::string>& other = rows[draw.below(rows.size())];
    switch (draw.below(7)) {
      case 0:
        cell = telling_value(draw);
        break;
      case 1:
        cell = mutated_bytes(cell, cell.size() + 16);
        break;
      case 2:
        cell = other[draw.below(other.size())];
        break;
      case 3:
        std::swap(cell, row[draw.below(row.size())]);
        break;
      case 4:
        rows.insert(rows.begin() + std::ptrdiff_t(at), std::vector<std::string>(other));
        break;
      case 5:
        if (rows.size() > 1) rows.erase(rows.begin() + std::ptrdiff_t(at));
        break;
      default:
        row.push_back(telling_value(draw));
    }
  }
  std::string out;
  for (const auto& row : rows) {
    if (&row != rows.data()) out += '\n';
    for (const std::string& cell : row) (out += &cell == row.data() ? "" : ",") += cell;
  }
  const std::size_t written = put(out, data, most);
  return written > 0 ? written : LLVMFuzzerMutate(data, size, most);
}
}  // namespace moesim::fuzz
