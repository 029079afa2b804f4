#include "core/engine.h"

#include "core/check.h"

namespace moesim {

Engine::EventId Engine::at(Time when, Label label, Action action, Phase phase) {
  check(when >= now_, "event \"{}\" scheduled at {} ps, before now = {} ps", label.text, when.v, now_.v);
  if (free_.empty()) {
    free_.push_back(std::uint32_t(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  Slot& s = slots_[slot];
  s.action = action;
  s.text = label.text;
  s.hash = label.hash;
  const EventId id{slot, s.generation};
  queue_.push({when, std::uint64_t(phase) << 56 | scheduled_++, id});
  return id;
}

Engine::EventId Engine::after(Time delay, Label label, Action action, Phase phase) {
  check(delay.v <= INT64_MAX - now_.v, "event \"{}\" lies more than 106 days after the start", label.text);
  return at(now_ + delay, label, action, phase);
}

void Engine::cancel(EventId id) {
  if (id.slot < slots_.size() && slots_[id.slot].generation == id.generation) slots_[id.slot].action = {};
}

void Engine::run(Time end) {
  stopped_ = false;
  while (!stopped_ && !queue_.empty() && queue_.top().when <= end) {
    const Key key = queue_.top();
    queue_.pop();
    Slot& slot = slots_[key.id.slot];
    Action action = slot.action;
    const std::uint64_t hash = slot.hash;
    ++slot.generation;
    free_.push_back(key.id.slot);
    if (!action) continue;  // cancelled
    now_ = key.when;
    ++executed_;
    if (watch_) watch_(now_, Phase(key.order >> 56), slot.text);
    fingerprint_ = (fingerprint_ ^ std::uint64_t(now_.v) ^ hash) * 0x9E3779B97F4A7C15 + executed_;
    action();
  }
}
}  // namespace moesim
