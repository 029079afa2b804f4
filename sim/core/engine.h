// The event engine: runs actions in (time, phase, schedule order).  Same inputs, same order, always.
#pragma once
#include <cstdint>
#include <cstring>
#include <functional>
#include <queue>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/units.h"

namespace moesim {

/// Order among events at the same instant: arrivals and completions, then decisions, then measurements.
enum class Phase : std::uint8_t { deliver, decide, observe };

/// A name for an event, hashed at compile time; it appears in traces and in the run's fingerprint.
struct Label {
  std::string_view text;
  std::uint64_t hash = 0xcbf29ce484222325;
  consteval Label(const char* s) : text(s) {
    for (char c : text) hash = (hash ^ std::uint8_t(c)) * 0x100000001b3;
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
  struct Key {
    Time when;
    std::uint64_t order;  // phase in the top byte, then schedule order: a total order, so no ties
    EventId id;
    bool operator>(const Key& b) const { return when != b.when ? when > b.when : order > b.order; }
  };
  struct Slot {
    Action action;
    std::string_view text;
    std::uint64_t hash = 0;
    std::uint32_t generation = 0;
  };

  Time now_{};
  std::uint64_t scheduled_ = 0, executed_ = 0, fingerprint_ = 0;
  std::priority_queue<Key, std::vector<Key>, std::greater<>> queue_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  bool stopped_ = false;
  Watch watch_;
};
}  // namespace moesim
