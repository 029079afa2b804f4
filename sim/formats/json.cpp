#include "formats/json.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <variant>
#include <vector>

#include "core/config_error.h"
#include "core/files.h"
#include "core/utf8.h"

namespace moesim::formats {
namespace {
constexpr std::size_t kMostDepth = 100;  // functions that walk a document recurse, and so does its destructor

/// A byte of a text; tells how far the parser has come.
class Reading {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Reading(const char* at, const char** farthest) : at_(at), farthest_(farthest) {}
  const char& operator*() const { return *at_; }
  Reading& operator++() {
    *farthest_ = ++at_;
    return *this;
  }
  bool operator==(const Reading& other) const { return at_ == other.at_; }

 private:
  const char* at_;
  const char** farthest_;
};

/// Builds a document from what the parser finds, and refuses what the parser would take.  Its fault is a problem that
/// follows WHERE.
class Builder {
 public:
  Builder(const char* begin, const char* const& at) : begin_(begin), at_(at) {}

  bool null() { return add(nullptr) != nullptr; }
  bool boolean(bool value) { return add(value) != nullptr; }
  bool number_integer(std::int64_t value) { return add(value) != nullptr; }
  bool number_unsigned(std::uint64_t value) { return add(value) != nullptr; }
  bool number_float(double value, const std::string&) { return add(value) != nullptr; }
  bool string(std::string& value) { return add(std::move(value)) != nullptr; }
  bool binary(JsonValue::binary_t&) { return false; }  // not in text
  bool start_object(std::size_t) { return open(JsonValue::value_t::object); }
  bool start_array(std::size_t) { return open(JsonValue::value_t::array); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& word) {
    const auto [member, fresh] = open_.back()->get_ref<JsonValue::object_t&>().emplace(word, nullptr);
    if (!fresh) return refuse(fmt::format("key \"{}\" appears twice", one_line(word.substr(0, 60))));
    member_ = &member->second;
    return true;
  }
  bool parse_error(std::size_t byte, const std::string&, const nlohmann::detail::exception& e) {
    constexpr int kNumberOverflow = 406;  // of nlohmann's out_of_range
    problem_ =
        e.id == kNumberOverflow ? "is not JSON: a number is too large" : fmt::format("is not JSON: byte {}", byte);
    return false;
  }

  const std::string& problem() const { return problem_; }
  JsonValue take() { return std::move(root_); }

 private:
  template <class T>
  JsonValue* add(T&& value) {
    if (open_.empty()) return &(root_ = std::forward<T>(value));
    if (open_.back()->is_object()) return &(*member_ = std::forward<T>(value));
    return &open_.back()->get_ref<JsonValue::array_t&>().emplace_back(std::forward<T>(value));
  }
  bool open(JsonValue::value_t type) {
    if (open_.size() == kMostDepth) return refuse(fmt::format("lists nest deeper than {}", kMostDepth));
    open_.push_back(add(type));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }
  bool refuse(std::string_view problem) {
    problem_ = fmt::format("byte {}: {}", at_ - begin_ - 1, problem);
    return false;
  }

  const char* begin_;
  const char* const& at_;
  JsonValue root_;
  std::vector<JsonValue*> open_;  // lists and objects that have not ended; their addresses stay while they are open
  JsonValue* member_ = nullptr;   // of the innermost object, for its last key
  std::string problem_;
};

/// The document, or the problem that keeps it from being one.
std::variant<JsonValue, std::string> document_or_problem(std::string_view text) {
  const char* at = text.data();
  Builder builder(text.data(), at);
  const Reading begin(text.data(), &at), end(text.data() + text.size(), &at);
  if (JsonValue::sax_parse(begin, end, &builder)) return builder.take();
  return builder.problem();
}
}  // namespace

JsonValue parse_json(std::string_view text, const std::string& where) {
  std::variant<JsonValue, std::string> out = document_or_problem(text);
  if (const auto* problem = std::get_if<std::string>(&out))
    throw ConfigError::placed(fmt::format("{}: {}", where, *problem));
  return std::get<JsonValue>(std::move(out));
}

JsonValue read_json(const std::string& file, std::uint64_t most) { return parse_json(read_file(file, most), file); }

JsonValue parse_json(const LineFile& line) { return parse_json(line.line(), line.where()); }

bool is_json(std::string_view text) { return std::holds_alternative<JsonValue>(document_or_problem(text)); }

std::string json_text(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}
}  // namespace moesim::formats
