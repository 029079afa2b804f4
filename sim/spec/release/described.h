// A config.json between text and release: what both a release and a model to run are made of.
#pragma once
#include <memory>
#include <string>

#include "spec/release/keys.h"
#include "spec/release/plan.h"

namespace moesim::spec {

struct Described {
  std::shared_ptr<const formats::JsonValue> document;  // that `text` reads
  Keys text;                                           // the language model's part
  std::string type;
  Plan plan;
  Release release;
};
/// Throws as read_release() does.
Described describe(const std::string& file);
/// The same where the file's document has been read.
Described describe(std::shared_ptr<const formats::JsonValue> document, const std::string& file);
Described describe_text(const std::string& text, const std::string& where);
}  // namespace moesim::spec
