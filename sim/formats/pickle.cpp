#include "formats/pickle.h"

#include <fmt/format.h>

#include <unordered_map>

#include "formats/pickle_input.h"
#include "formats/pickle_tensors.h"

namespace moesim::formats {
namespace {
using Kind = Pickled::Kind;

/// A pickle may make as many values as its file has bytes, for it takes a byte or more to say one, and so many in any
/// case: packed, a byte may say many, and what a recording needs is far less.  A value takes up to 150 bytes of memory.
constexpr std::uint64_t kAlwaysValues = 1 << 16;
/// Picklers number what they remember in turn; tools that drop unused numbers leave gaps.  assumed: no larger ones.
constexpr std::uint64_t kMostSkipped = 1'000'000;

/// Runs a pickle: its opcodes push values, take them off, and remember them.
class PickleMachine {
 public:
  PickleMachine(std::string_view bytes, const std::string& where, std::uint64_t offset, std::uint64_t file_bytes)
      : in_(bytes, where, offset), left_(kAlwaysValues + file_bytes) {}

  Unpickled run() {
    for (;;) {
      const std::uint8_t op = in_.opcode();
      if (op != '.') {
        step(op);
        continue;
      }
      out_.root = pop();
      stack_.clear();
      memo_.clear();
      return std::move(out_);
    }
  }

 private:
  void step(std::uint8_t op) {
    if (push_value(op) || push_container(op) || fill_container(op) || use_memo(op)) return;
    switch (op) {
      case 0x80:
        if (const int protocol = std::uint8_t(in_.take(1)[0]); protocol != 2)
          in_.fail(fmt::format("expected pickle protocol 2, got {}", protocol));
        return;
      case 'Q':
        return push(storage_of(pop(), in_));
      case 'R':
        return reduce();
      default:
        in_.fail(fmt::format("pickle opcode 0x{:02x} is not one that plain data needs", op));
    }
  }

  /// These say whether the opcode was theirs.
  bool push_value(std::uint8_t op) {
    switch (op) {
      case 'N':
        return push(make(Kind::none)), true;
      case 0x88:
        return push_integer(1, Kind::boolean), true;
      case 0x89:
        return push_integer(0, Kind::boolean), true;
      case 'K':
        return push_integer(in_.number<std::uint8_t>()), true;
      case 'M':
        return push_integer(in_.number<std::uint16_t>()), true;
      case 'J':
        return push_integer(in_.number<std::int32_t>()), true;
      case 0x8a:
        return push_integer(in_.long_integer()), true;
      case 'G':
        return push(make(Kind::real)), top().real = in_.real(), true;
      case 'X':
        return push_words(Kind::text, in_.text()), true;
      case 'c':
        return push_words(Kind::global, read_global(in_)), true;
      default:
        return false;
    }
  }
  bool push_container(std::uint8_t op) {
    switch (op) {
      case '}':
        return push(make(Kind::dictionary)), true;
      case ']':
        return push(make(Kind::list)), true;
      case ')':
        return push(make(Kind::tuple)), true;
      case '(':
        return spend(), marks_.push_back(stack_.size()), true;
      case 't': {
        Pickled out = make(Kind::tuple);
        *out.items = pop_mark();
        return push(std::move(out)), true;
      }
      case 0x85:
      case 0x86:
      case 0x87:
        return push_tuple(op - 0x84U), true;
      default:
        return false;
    }
  }
  bool fill_container(std::uint8_t op) {
    switch (op) {
      case 'a': {
        Pickled value = pop();
        expect(Kind::list).items->push_back(std::move(value));
        return true;
      }
      case 'e':
        return append(pop_mark(), Kind::list), true;
      case 's': {
        Pickled value = pop(), key = pop();
        std::vector<Pickled>& items = *expect(Kind::dictionary).items;
        items.push_back(std::move(key));
        items.push_back(std::move(value));
        return true;
      }
      case 'u': {
        std::vector<Pickled> values = pop_mark();
        if (values.size() % 2 != 0) in_.fail("the pickle sets keys without values");
        return append(std::move(values), Kind::dictionary), true;
      }
      default:
        return false;
    }
  }
  bool use_memo(std::uint8_t op) {
    switch (op) {
      case 'q':
        return put(in_.number<std::uint8_t>()), true;
      case 'r':
        return put(in_.number<std::uint32_t>()), true;
      case 'h':
        return get(in_.number<std::uint8_t>()), true;
      case 'j':
        return get(in_.number<std::uint32_t>()), true;
      default:
        return false;
    }
  }
  void reduce() {
    const Pickled arguments = pop(), function = pop();
    if (function.kind != Kind::global || arguments.kind != Kind::tuple)
      in_.fail("the pickle calls something that is not allowed");
    if (is_ordered_dictionary(function) && arguments.items->empty()) return push(make(Kind::dictionary));
    if (!is_tensor_maker(function) || arguments.items->size() < 4)
      in_.fail(fmt::format("the pickle calls \"{}\" in an unknown way", function.text()));
    push(tensor_of(*arguments.items, in_));
  }

  Pickled make(Kind kind) {
    Pickled out;
    out.kind = kind;
    if (kind == Kind::list || kind == Kind::tuple || kind == Kind::dictionary)
      out_.containers.push_back(out.items = std::make_shared<std::vector<Pickled>>());
    return out;
  }
  void spend() {
    if (left_-- == 0) in_.fail("the pickle makes more values than its file has bytes");
  }
  void push(Pickled value) {
    spend();
    stack_.push_back(std::move(value));
  }
  void push_words(Kind kind, std::string words) {
    push(make(kind));
    top().words = std::make_shared<const std::string>(std::move(words));
  }
  void push_integer(std::int64_t v, Kind kind = Kind::integer) {
    push(make(kind));
    top().integer = v;
  }
  void push_tuple(std::size_t n) {
    Pickled out = make(Kind::tuple);
    out.items->resize(n);
    while (n > 0) (*out.items)[--n] = pop();
    push(std::move(out));
  }
  Pickled pop() {
    if (stack_.empty() || (!marks_.empty() && marks_.back() == stack_.size()))
      in_.fail("the pickle takes a value that is not there");
    Pickled out = std::move(stack_.back());
    stack_.pop_back();
    return out;
  }
  Pickled& top() {
    if (stack_.empty()) in_.fail("the pickle uses a value that is not there");
    return stack_.back();
  }
  std::vector<Pickled> pop_mark() {
    if (marks_.empty()) in_.fail("the pickle ends a list that it did not begin");
    const auto first = stack_.begin() + std::ptrdiff_t(marks_.back());
    marks_.pop_back();
    std::vector<Pickled> out(std::make_move_iterator(first), std::make_move_iterator(stack_.end()));
    stack_.erase(first, stack_.end());
    return out;
  }
  Pickled& expect(Kind kind) {
    if (top().kind != kind) in_.fail("the pickle adds to a value of another kind");
    return top();
  }
  void append(std::vector<Pickled> values, Kind kind) {
    std::vector<Pickled>& items = *expect(kind).items;
    items.insert(items.end(), std::make_move_iterator(values.begin()), std::make_move_iterator(values.end()));
  }
  void put(std::uint32_t i) {
    if (i > memo_.size() + kMostSkipped)
      in_.fail(fmt::format("the pickle remembers value {} after {}", i, memo_.size()));
    spend();
    memo_[i] = top();
  }
  void get(std::uint32_t i) {
    const auto found = memo_.find(i);
    if (found == memo_.end()) in_.fail(fmt::format("the pickle recalls value {}, which it did not remember", i));
    push(found->second);
  }

  Unpickled out_;  // before what refers to it: freed last
  PickleInput in_;
  std::vector<Pickled> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint32_t, Pickled> memo_;  // by the number in the file, however large; looked up only
  std::uint64_t left_;                               // values that it may still make
};
}  // namespace

const std::string& Pickled::text() const {
  static const std::string none;
  return words ? *words : none;
}

const Pickled* Pickled::find(std::string_view key) const {
  if (kind != Kind::dictionary) return nullptr;
  const Pickled* out = nullptr;
  for (std::size_t i = 0; i + 1 < items->size(); i += 2)
    if ((*items)[i].kind == Kind::text && (*items)[i].text() == key) out = &(*items)[i + 1];
  return out;
}

Unpickled::~Unpickled() {
  for (const auto& items : containers) items->clear();  // what they hold is still held here
}

Unpickled unpickle(std::string_view bytes, const std::string& where, std::uint64_t offset, std::uint64_t file_bytes) {
  return PickleMachine(bytes, where, offset, file_bytes).run();
}
}  // namespace moesim::formats
