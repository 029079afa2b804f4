#include "core/engine.h"

#include "core/check.h"

namespace moesim::core {

void Engine::KeyHeap::push(Key key) {
  std::size_t i = keys_.size();
  keys_.push_back(key);
  while (i > kRoot) {
    const std::size_t parent = i / 4 + 2;
    if (!(keys_[parent] > key)) break;
    keys_[i] = keys_[parent];
    i = parent;
  }
  keys_[i] = key;
}

void Engine::KeyHeap::pop() {
  const Key last = keys_.back();
  keys_.pop_back();
  const std::size_t size = keys_.size();
  if (size == kRoot) return;
  std::size_t i = kRoot;
  for (;;) {
    const std::size_t first = 4 * i - 8;
    std::size_t least = first;
    if (first + 4 <= size) {
      const std::size_t a = first + (keys_[first] > keys_[first + 1]),
                        b = first + 2 + (keys_[first + 2] > keys_[first + 3]);
      least = keys_[a] > keys_[b] ? b : a;
    } else if (first < size) {
      for (std::size_t c = first + 1; c < size; ++c) least = keys_[least] > keys_[c] ? c : least;
    } else {
      break;
    }
    if (!(last > keys_[least])) break;
    keys_[i] = keys_[least];
    i = least;
  }
  keys_[i] = last;
}

Engine::EventId Engine::at(Time when, Label label, Action action, Phase phase) {
  if (when.v < 0) beyond_the_clock();  // a sum that overflowed
  check(when >= now_, "event \"{}\" scheduled at {} ps, before now = {} ps", label.text, when.v, now_.v);
  if (free_.empty()) {
    check(slots_.size() < std::size_t{1} << Key::kSlotBits, "more than {} events are pending", slots_.size());
    free_.push_back(std::uint32_t(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  Slot& s = slots_[slot];
  s.action = action;
  s.label = label;
  check(scheduled_ < std::uint64_t{1} << Key::kOrderBits, "a run has at most 2^{} events", Key::kOrderBits);
  const std::uint64_t order =
      std::uint64_t(phase) << (Key::kSlotBits + Key::kOrderBits) | scheduled_++ << Key::kSlotBits | slot;
  queue_.push({when.v, order});
  return {slot, s.generation};
}

Engine::EventId Engine::after(Time delay, Label label, Action action, Phase phase) {
  if (delay.v > INT64_MAX - now_.v) beyond_the_clock();
  return at(now_ + delay, label, action, phase);
}

void Engine::cancel(EventId id) {
  if (id.slot < slots_.size() && slots_[id.slot].generation == id.generation) slots_[id.slot].action = {};
}

void Engine::run(Time end) {
  stopped_ = false;
  while (!stopped_ && !queue_.empty() && queue_.top().when <= end.v) {
    const Key key = queue_.top();
    queue_.pop();
    // The slots of ten thousand events do not fit the nearest cache: fetch the likely next one while this one runs.
    if (!queue_.empty()) __builtin_prefetch(&slots_[queue_.top().slot()]);
    Slot& slot = slots_[key.slot()];
    Action action = slot.action;
    const Label label = slot.label;
    ++slot.generation;
    free_.push_back(key.slot());
    if (!action) continue;  // cancelled
    now_ = {key.when};
    ++executed_;
    if (watch_) watch_(now_, key.phase(), label.text);
    fingerprint_ = (fingerprint_ ^ std::uint64_t(now_.v) ^ label.hash) * 0x9E3779B97F4A7C15 + executed_;
    action();
  }
}
}  // namespace moesim::core
