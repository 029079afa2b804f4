#include "core/yaml_text.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

#include "core/utf8.h"

namespace moesim::core {
namespace {
// Six times a placement of 94 layers on 512 slots, the largest file there is reason to write.
// As nodes they take 140 MB.
constexpr std::size_t kMostValues = 300'000;
constexpr std::size_t kMostDepth = 100;  // functions that walk a document recurse
constexpr int kMostDocuments = 100;      // are counted for the message
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

/// Looks at documents without building them.  Throws YamlFault where it makes no sense to read on.
class Watcher final : public YAML::EventHandler {
 public:
  explicit Watcher(const std::string& text) : text_(text) {}
  int documents() const { return documents_; }
  /// The first fault that does not keep the text from being read to its end, where the grammar may be at fault.
  const std::optional<YamlFault>& fault() const { return fault_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    // The parser leaves what can begin no value where it is: an empty document, and the next, without end.
    if (documents_ > 0 && mark.pos == start_)
      throw YamlFault{mark, "", fmt::format("not valid YAML: nothing can begin with \"{}\"", character(mark.pos))};
    start_ = mark.pos;
    ++documents_;
    open_.clear();
    closed_.clear();
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (begin(mark)) keep({mark, path(), "expected a single word as key"});
    end(anchor, values_ - 1, 0);
  }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, const std::string& word) override {
    if (begin(mark)) name(mark, word);
    end(anchor, values_ - 1, 0);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto named = closed_.find(anchor);
    const bool closed = named != closed_.end();
    const auto [values, depth] = closed ? named->second : Size{};
    if (begin(mark, values, depth)) keep({mark, path(), "expected a single word as key"});
    if (!closed) throw YamlFault{mark, path(), "the alias stands in the value that it names"};
    deepen(depth);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    enter(mark, {.anchor = anchor});
  }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    enter(mark, {.is_map = true, .anchor = anchor});
  }
  void OnSequenceEnd() override { leave(); }
  void OnMapEnd() override { leave(); }

 private:
  struct Size {
    std::size_t values = 0, depth = 0;  // itself and all that it holds; lists and maps in each other
  };
  struct Open {
    bool is_map = false;
    YAML::anchor_t anchor = YAML::NullAnchor;
    std::size_t before = 0, depth = 1;  // values before it; depth of what is in it, itself counted
    std::size_t index = 0;              // of a list: elements that have begun
    bool key_is_next = true;            // of a map
    std::string key{};                  // of a map: the last
    std::set<std::string> keys{};       // of a map: all so far
  };

  std::string character(int at) const {
    return at >= 0 && std::size_t(at) < text_.size() ? text_.substr(std::size_t(at), 1) : "the end";
  }
  void keep(YamlFault fault) {
    if (!fault_) fault_ = std::move(fault);
  }
  /// Of the value at hand; of its map, if it is a key.
  std::string path() const {
    std::string out;
    for (const Open& o : open_) {
      if (!o.is_map)
        out += fmt::format("[{}]", o.index - 1);
      else if (o.key_is_next && !o.keys.empty())
        out += (out.empty() ? "" : ".") + o.key;
    }
    return out;
  }

  /// A value begins, of so much inside.  Returns whether it is a key.
  bool begin(const YAML::Mark& mark, std::size_t values = 1, std::size_t depth = 0) {
    bool is_key = false;
    if (!open_.empty()) {
      Open& in = open_.back();
      is_key = in.is_map && in.key_is_next;
      in.key_is_next = !in.key_is_next;
      ++in.index;
    }
    if (open_.size() + depth > kMostDepth)
      throw YamlFault{mark, "", fmt::format("values nest deeper than {}", kMostDepth)};
    values_ += values;
    if (values_ > kMostValues)
      throw YamlFault{mark, "", fmt::format("more than {} values (do aliases repeat each other?)", kMostValues)};
    return is_key;
  }
  void end(YAML::anchor_t anchor, std::size_t before, std::size_t depth) {
    if (anchor != YAML::NullAnchor) closed_[anchor] = {values_ - before, depth};
  }
  void deepen(std::size_t depth) {
    if (!open_.empty()) open_.back().depth = std::max(open_.back().depth, depth + 1);
  }
  void enter(const YAML::Mark& mark, Open open) {
    open.before = values_;
    if (begin(mark, 1, 1)) keep({mark, path(), "expected a single word as key"});
    open_.push_back(std::move(open));
  }
  void leave() {
    const Open done = std::move(open_.back());
    open_.pop_back();
    end(done.anchor, done.before, done.depth);
    deepen(done.depth);
  }
  void name(const YAML::Mark& mark, const std::string& word) {
    Open& in = open_.back();
    in.key = word;
    if (word == "<<") keep({mark, path(), "merge keys (<<) are not supported; write the keys out"});
    // Duplicate keys are legal to the parser and a trap to the reader, who sees only one of them.
    if (!in.keys.insert(word).second) keep({mark, path(), fmt::format("key \"{}\" appears twice", word)});
  }

  const std::string& text_;
  int documents_ = 0, start_ = -1;
  std::size_t values_ = 0;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Size> closed_;  // what aliases can stand for
  std::optional<YamlFault> fault_;
};

YAML::Mark mark_at(const std::string& text, std::size_t at) {
  YAML::Mark out;
  const std::string_view before = std::string_view(text).substr(0, at);
  out.pos = int(at);
  out.line = int(std::ranges::count(before, '\n'));
  out.column = int(at - (before.rfind('\n') + 1));  // npos + 1 is 0
  return out;
}

/// What the parser would take for another encoding or for the end of the text.
void check_characters(const std::string& text) {
  if (const std::size_t at = first_not_utf8(text); at != std::string::npos)
    throw YamlFault{mark_at(text, at), "", "is not UTF-8 text"};
  const auto control =
      std::ranges::find_if(text, [](unsigned char c) { return c < 0x20 && c != '\t' && c != '\n' && c != '\r'; });
  if (control != text.end())
    throw YamlFault{mark_at(text, std::size_t(control - text.begin())), "",
                    fmt::format("not valid YAML: the control character 0x{:02x}", *control)};
}

void check_events(const std::string& text) {
  std::istringstream in(text);
  YAML::Parser parser(in);
  Watcher watcher(text);
  while (watcher.documents() <= kMostDocuments && parser.HandleNextDocument(watcher)) {
  }
  if (watcher.documents() > 1)
    throw YamlFault{
        YAML::Mark::null_mark(), "",
        fmt::format("holds {}{} YAML documents, expected one", watcher.documents() > kMostDocuments ? "more than " : "",
                    std::min(watcher.documents(), kMostDocuments))};
  if (watcher.fault()) throw *watcher.fault();
}
}  // namespace

YAML::Node load_yaml(const std::string& given) {
  const std::string text = given.starts_with(kByteOrderMark) ? given.substr(kByteOrderMark.size()) : given;
  if (text.size() > kMostYaml)
    throw YamlFault{YAML::Mark::null_mark(), "", fmt::format("is larger than {} MiB", kMostYaml >> 20)};
  check_characters(text);
  try {
    check_events(text);
    return YAML::Load(text);
  } catch (const YAML::Exception& e) {
    throw YamlFault{e.mark, "", "not valid YAML: " + e.msg};
  }
}
}  // namespace moesim::core
