// The event engine: runs actions in (time, phase, schedule order).  Same inputs, same order, always.
#pragma once
#include <cstdint>
#include <cstring>
#include <functional>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/names.h"
#include "core/units.h"

namespace moesim::core {

/// Order among events at the same instant: arrivals and completions, then decisions, then measurements.
enum class Phase : std::uint8_t { deliver, decide, observe };

/// A name for an event, hashed at compile time; it appears in traces and in the run's fingerprint.
struct Label {
  const char* text = "";
  std::uint64_t hash = 0xcbf29ce484222325;
  constexpr Label() = default;
  consteval Label(const char* s) : text(s) {
    for (char c : std::string_view(text)) hash = (hash ^ std::uint8_t(c)) * 0x100000001b3;
  }
};

/// A callable of at most 48 bytes, stored in place.  Capture `this` and ids, not owning objects.
class Action {
 public:
  Action() = default;
  template <class F>
  requires(!std::is_same_v<F, Action>) Action(F f) : call_([](void* p) { (*static_cast<F*>(p))(); }) {
    static_assert(sizeof(F) <= sizeof(buffer_), "event captures more than 48 bytes; capture an id instead");
    static_assert(std::is_trivially_copyable_v<F>, "event captures an owning object; capture an id instead");
    std::memcpy(buffer_, &f, sizeof f);
  }
  explicit operator bool() const { return call_ != nullptr; }
  void operator()() { call_(buffer_); }

 private:
  void (*call_)(void*) = nullptr;
  alignas(8) unsigned char buffer_[48];
};

class Engine {
 public:
  struct EventId {
    std::uint32_t slot = 0, generation = 0;
  };

  Time now() const { return now_; }
  std::uint64_t executed() const { return executed_; }
  /// Hash of every executed (time, label); two runs that differ in any event differ here.
  std::uint64_t fingerprint() const { return fingerprint_; }

  /// Runs `action` at `when`, which must not be in the past (throws std::logic_error).
  EventId at(Time when, Label label, Action action, Phase phase = Phase::deliver);
  EventId after(Time delay, Label label, Action action, Phase phase = Phase::deliver);
  /// Forgets a pending event; harmless if it already ran or was cancelled.
  void cancel(EventId id);
  /// Runs until no event is left, the next one is later than `end`, or stop() was called.
  void run(Time end = {INT64_MAX});
  /// Makes run() return after the event that is running; the rest stays pending.
  void stop() { stopped_ = true; }
  /// Calls `watch` before every event, with what `--events` prints: time, phase and label.
  using Watch = std::function<void(Time, Phase, std::string_view)>;
  void watch(Watch watch) { watch_ = std::move(watch); }

 private:
  // 16 bytes, so that four keys share a cache line: (time, phase, schedule order) is the total order, and the slot
  // rides along in bits that never decide, because schedule order alone is unique.
  struct Key {
    static constexpr int kSlotBits = 24, kOrderBits = 38;  // 16 million pending events, 270 billion in a run
    std::int64_t when;
    std::uint64_t order;
    // No branch: which of two pending events is earlier is a coin toss to the processor.
    bool operator>(const Key& b) const { return bool((when > b.when) | ((when == b.when) & (order > b.order))); }
    std::uint32_t slot() const { return std::uint32_t(order & ((1u << kSlotBits) - 1)); }
    Phase phase() const { return Phase(order >> (kSlotBits + kOrderBits)); }
  };
  /// A binary heap's time at a few pending events, and half of it at ten thousand: four children lie side by side, so a
  /// level costs one cache line instead of two.
  class KeyHeap {
   public:
    bool empty() const { return keys_.size() <= kRoot; }
    const Key& top() const { return keys_[kRoot]; }
    void push(Key key);
    void pop();

   private:
    static constexpr std::size_t kRoot =
        3;  // children of i are 4i - 8 ... 4i - 5, so that they start at a multiple of four
    std::vector<Key> keys_ = std::vector<Key>(kRoot);
  };
  struct Slot {
    Action action;
    Label label;
    std::uint32_t generation = 0;
  };

  Time now_{};
  std::uint64_t scheduled_ = 0, executed_ = 0, fingerprint_ = 0;
  KeyHeap queue_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  bool stopped_ = false;
  Watch watch_;
};
}  // namespace moesim::core
