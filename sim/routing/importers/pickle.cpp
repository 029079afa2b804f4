#include "routing/importers/pickle.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

namespace moesim {
namespace {
using Kind = Pickled::Kind;

constexpr std::pair<std::string_view, ElementType> kStorages[] = {
    {"torch ByteStorage", ElementType::u8},   {"torch CharStorage", ElementType::i8},
    {"torch BoolStorage", ElementType::u8},   {"torch ShortStorage", ElementType::i16},
    {"torch IntStorage", ElementType::i32},   {"torch LongStorage", ElementType::i64},
    {"torch HalfStorage", ElementType::f16},  {"torch BFloat16Storage", ElementType::bf16},
    {"torch FloatStorage", ElementType::f32}, {"torch DoubleStorage", ElementType::f64}};
constexpr std::string_view kRebuild = "torch._utils _rebuild_tensor_v2", kOrdered = "collections OrderedDict";

class Unpickler {
 public:
  Unpickler(std::string_view bytes, const std::string& where, std::uint64_t offset)
      : bytes_(bytes), where_(where), offset_(offset) {}

  Unpickled run() {
    for (;;) {
      opcode_ = at_;
      const auto op = std::uint8_t(take(1)[0]);
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
  Pickled make(Kind kind) {
    Pickled out;
    out.kind = kind;
    if (kind == Kind::list || kind == Kind::tuple || kind == Kind::dictionary)
      out_.containers.push_back(out.items = std::make_shared<std::vector<Pickled>>());
    return out;
  }
  Pickled make_integer(std::int64_t v, Kind kind = Kind::integer) {
    Pickled out = make(kind);
    out.integer = v;
    return out;
  }
  [[noreturn]] void fail(std::string_view problem) const {
    throw ConfigError(fmt::format("{}: byte {}: {}", where_, offset_ + opcode_, problem));
  }
  std::string_view take(std::size_t n) {
    if (n > bytes_.size() - at_) fail(fmt::format("the pickle ends within an opcode, after {} bytes", bytes_.size()));
    at_ += n;
    return bytes_.substr(at_ - n, n);
  }
  template <class T>
  T number() {
    T out;
    std::memcpy(&out, take(sizeof out).data(), sizeof out);
    return out;
  }
  std::string line() {
    const std::size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) fail("the pickle ends within a name");
    const std::string out(bytes_.substr(at_, end - at_));
    at_ = end + 1;
    return out;
  }
  Pickled pop() {
    if (stack_.empty() || (!marks_.empty() && marks_.back() == stack_.size()))
      fail("the pickle takes a value that is not there");
    Pickled out = std::move(stack_.back());
    stack_.pop_back();
    return out;
  }
  Pickled& top() {
    if (stack_.empty()) fail("the pickle uses a value that is not there");
    return stack_.back();
  }
  std::vector<Pickled> pop_mark() {
    if (marks_.empty()) fail("the pickle ends a list that it did not begin");
    const auto first = stack_.begin() + std::ptrdiff_t(marks_.back());
    marks_.pop_back();
    std::vector<Pickled> out(std::make_move_iterator(first), std::make_move_iterator(stack_.end()));
    stack_.erase(first, stack_.end());
    return out;
  }
  void push(Pickled value) { stack_.push_back(std::move(value)); }
  void push_tuple(std::size_t n) {
    Pickled out = make(Kind::tuple);
    for (std::size_t i = 0; i < n; ++i) out.items->insert(out.items->begin(), pop());
    push(std::move(out));
  }
  void put(std::size_t i) {
    if (i > memo_.size() + 1'000'000) fail(fmt::format("the pickle remembers value {} after {}", i, memo_.size()));
    if (i >= memo_.size()) memo_.resize(i + 1);
    memo_[i] = top();
  }
  void get(std::size_t i) {
    if (i >= memo_.size() || !memo_[i]) fail(fmt::format("the pickle recalls value {}, which it did not remember", i));
    push(*memo_[i]);
  }

  void step(std::uint8_t op) {
    switch (op) {
      case 0x80:
        if (const int protocol = std::uint8_t(take(1)[0]); protocol != 2)
          fail(fmt::format("expected pickle protocol 2, got {}", protocol));
        return;
      case '}':
        return push(make(Kind::dictionary));
      case ']':
        return push(make(Kind::list));
      case ')':
        return push(make(Kind::tuple));
      case '(':
        return marks_.push_back(stack_.size());
      case 'N':
        return push(make(Kind::none));
      case 0x88:
        return push(make_integer(1, Kind::boolean));
      case 0x89:
        return push(make_integer(0, Kind::boolean));
      case 'K':
        return push(make_integer(number<std::uint8_t>()));
      case 'M':
        return push(make_integer(number<std::uint16_t>()));
      case 'J':
        return push(make_integer(number<std::int32_t>()));
      case 0x8a:
        return push(make_integer(long_integer()));
      case 'G':
        return push(real());
      case 'X':
        return push(text());
      case 'q':
        return put(number<std::uint8_t>());
      case 'r':
        return put(number<std::uint32_t>());
      case 'h':
        return get(number<std::uint8_t>());
      case 'j':
        return get(number<std::uint32_t>());
      case 't': {
        Pickled out = make(Kind::tuple);
        *out.items = pop_mark();
        return push(std::move(out));
      }
      case 0x85:
        return push_tuple(1);
      case 0x86:
        return push_tuple(2);
      case 0x87:
        return push_tuple(3);
      case 'a': {
        Pickled value = pop();
        return expect(Kind::list).items->push_back(std::move(value));
      }
      case 'e': {
        std::vector<Pickled> values = pop_mark();
        std::vector<Pickled>& list = *expect(Kind::list).items;
        return void(
            list.insert(list.end(), std::make_move_iterator(values.begin()), std::make_move_iterator(values.end())));
      }
      case 's': {
        Pickled value = pop(), key = pop();
        std::vector<Pickled>& items = *expect(Kind::dictionary).items;
        items.push_back(std::move(key));
        return items.push_back(std::move(value));
      }
      case 'u': {
        std::vector<Pickled> values = pop_mark();
        if (values.size() % 2 != 0) fail("the pickle sets keys without values");
        std::vector<Pickled>& items = *expect(Kind::dictionary).items;
        return void(
            items.insert(items.end(), std::make_move_iterator(values.begin()), std::make_move_iterator(values.end())));
      }
      case 'c':
        return push(global());
      case 'Q':
        return push(storage(pop()));
      case 'R':
        return reduce();
      default:
        fail(fmt::format("pickle opcode 0x{:02x} is not one that plain data needs", op));
    }
  }

  Pickled& expect(Kind kind) {
    if (top().kind != kind) fail("the pickle adds to a value of another kind");
    return top();
  }
  std::int64_t long_integer() {
    const std::size_t n = number<std::uint8_t>();
    if (n > 8) fail(fmt::format("an integer of {} bytes is too large", n));
    const std::string_view digits = take(n);
    std::int64_t out = n > 0 && std::int8_t(digits[n - 1]) < 0 ? -1 : 0;
    std::memcpy(&out, digits.data(), n);
    return out;
  }
  Pickled real() {
    Pickled out = make(Kind::real);
    std::uint64_t bits = 0;
    for (const char byte : take(8)) bits = bits << 8 | std::uint8_t(byte);  // big-endian, unlike the rest
    out.real = std::bit_cast<double>(bits);
    return out;
  }
  Pickled text() {
    Pickled out = make(Kind::text);
    out.text = std::string(take(number<std::uint32_t>()));
    return out;
  }
  Pickled global() {
    Pickled out = make(Kind::global);
    const std::string module = line();
    out.text = fmt::format("{} {}", module, line());
    const bool known =
        out.text == kRebuild || out.text == kOrdered ||
        std::any_of(std::begin(kStorages), std::end(kStorages), [&](const auto& s) { return s.first == out.text; });
    if (!known) fail(fmt::format("the pickle asks for \"{}\", which plain data and tensors do not need", out.text));
    return out;
  }
  /// ('storage', type, key, location, elements)
  Pickled storage(const Pickled& id) {
    if (id.kind != Kind::tuple || id.items->size() != 5) fail("expected a storage of five parts");
    const std::vector<Pickled>& part = *id.items;
    const auto type = std::find_if(std::begin(kStorages), std::end(kStorages),
                                   [&](const auto& s) { return s.first == part[1].text; });
    if (part[0].kind != Kind::text || part[0].text != "storage" || part[1].kind != Kind::global ||
        type == std::end(kStorages) || part[2].kind != Kind::text || part[4].kind != Kind::integer ||
        part[4].integer < 0)
      fail("expected a storage: its type, key, location and number of elements");
    Pickled out = make_integer(part[4].integer, Kind::storage);
    out.type = type->second;
    out.text = part[2].text;
    return out;
  }
  std::vector<std::int64_t> sizes(const Pickled& tuple) const {
    std::vector<std::int64_t> out;
    if (tuple.kind != Kind::tuple || tuple.items->size() > 8) fail("expected a tensor's sizes");
    for (const Pickled& v : *tuple.items) {
      if (v.kind != Kind::integer || v.integer < 0) fail("expected a tensor's sizes");
      out.push_back(v.integer);
    }
    return out;
  }
  void reduce() {
    const Pickled arguments = pop(), function = pop();
    if (function.kind != Kind::global || arguments.kind != Kind::tuple)
      fail("the pickle calls something that is not allowed");
    if (function.text == kOrdered && arguments.items->empty()) return push(make(Kind::dictionary));
    if (function.text != kRebuild || arguments.items->size() < 4)
      fail(fmt::format("the pickle calls \"{}\" in an unknown way", function.text));
    // (storage, offset, size, stride, ...)
    const std::vector<Pickled>& part = *arguments.items;
    if (part[0].kind != Kind::storage || part[1].kind != Kind::integer || part[1].integer < 0)
      fail("expected a tensor's storage and offset");
    Pickled out = part[0];
    out.kind = Kind::tensor;
    out.integer = part[1].integer;
    out.shape = sizes(part[2]);
    out.strides = sizes(part[3]);
    if (out.shape.size() != out.strides.size()) fail("a tensor has as many strides as sizes");
    // The last element must lie in the storage; step by step, so that nothing overflows.
    std::int64_t last = out.integer, room = part[0].integer - 1;
    bool empty = false;
    for (const std::int64_t size : out.shape) empty = empty || size == 0;
    for (std::size_t d = 0; !empty && d < out.shape.size(); ++d) {
      if (out.strides[d] > 0 && out.shape[d] - 1 > (room - last) / out.strides[d])
        last = room + 1;
      else
        last += (out.shape[d] - 1) * out.strides[d];
      if (out.strides[d] == 0 && out.shape[d] > 1) fail("a tensor repeats its elements");
      if (last > room) fail(fmt::format("a tensor reaches past the {} elements of its storage", part[0].integer));
    }
    push(std::move(out));
  }

  Unpickled out_;  // before what refers to it: freed last
  std::string_view bytes_;
  const std::string& where_;
  std::uint64_t offset_;
  std::size_t at_ = 0, opcode_ = 0;
  std::vector<Pickled> stack_;
  std::vector<std::size_t> marks_;
  std::vector<std::optional<Pickled>> memo_;
};
}  // namespace

const Pickled* Pickled::find(std::string_view key) const {
  if (kind != Kind::dictionary) return nullptr;
  const Pickled* out = nullptr;
  for (std::size_t i = 0; i + 1 < items->size(); i += 2)
    if ((*items)[i].kind == Kind::text && (*items)[i].text == key) out = &(*items)[i + 1];
  return out;
}

Unpickled::~Unpickled() {
  for (const auto& items : containers) items->clear();  // what they hold is still held here
}

Unpickled unpickle(std::string_view bytes, const std::string& where, std::uint64_t offset) {
  return Unpickler(bytes, where, offset).run();
}
}  // namespace moesim
