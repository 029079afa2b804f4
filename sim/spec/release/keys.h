// A config.json's keys as families read them, by one of several names, with a record of those that were read.
#pragma once
#include <initializer_list>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "formats/json_object.h"

namespace moesim::spec {

/// One object of a document, which must outlive it.  Throws ConfigError "FILE: key: problem".
class Keys {
 public:
  Keys(const formats::JsonObject& object, const formats::JsonValue& value);

  bool has(const char* key) const;
  /// The first of the names that is there, or the first of all.
  const char* named(std::initializer_list<const char*> names) const;

  int whole(const char* key) const;
  int whole_or(const char* key, int fallback) const;
  /// A whole number of 1 or more.
  int size(const char* key) const;
  int size_or(const char* key, int fallback) const;
  /// A number, or the largest of a list of equal ones for every layer.
  int same_for_all(const char* key, int fallback, int layers) const;
  bool flag_or(const char* key, bool fallback) const;
  std::string text_or(const char* key, const std::string& fallback) const;
  std::vector<int> list(const char* key) const;
  std::vector<std::string> words(const char* key) const;
  bool is_list(const char* key) const;
  bool is_text(const char* key) const;
  bool is_number(const char* key) const;
  Keys part(const char* key) const;

  /// A list must have one entry for each layer, or for those of `more` modules besides too.
  void check_length(const char* key, std::size_t has, int layers, int more = 0) const;
  [[noreturn]] void fail(std::string_view key, std::string_view problem) const { object_.fail(key, problem); }
  [[noreturn]] void fail(std::string_view problem) const { object_.fail(problem); }

  /// Keys that nobody asked for; without those that say nothing of sizes.
  std::vector<std::string> unread() const;
  const formats::JsonObject& object() const { return object_; }

 private:
  void note(const char* key) const { read_->insert(key); }
  formats::JsonObject object_;
  const formats::JsonValue* value_;
  std::shared_ptr<std::set<std::string, std::less<>>> read_;
};
}  // namespace moesim::spec
