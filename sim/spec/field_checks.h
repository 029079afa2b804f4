// Refusing a model's values one by one, with the path of the field: what the checks of spec/ share.
#pragma once
#include <fmt/format.h>

#include <functional>
#include <span>
#include <stdexcept>
#include <string_view>

namespace moesim::spec {

/// Told of the field's path ("moe.top_k") and the problem; must throw.
using Refuse = std::function<void(std::string_view key, std::string_view problem)>;

class FieldChecks {
 public:
  explicit FieldChecks(const Refuse& refuse) : refuse_(refuse) {}

  template <class... Args>
  [[noreturn]] void fail(std::string_view key, fmt::format_string<Args...> problem, Args&&... args) const {
    refuse_(key, fmt::format(problem, std::forward<Args>(args)...));
    throw std::logic_error("check_model: the handler of a broken rule returned");
  }
  void positive(std::string_view key, int value) const {
    if (value <= 0) fail(key, "must be more than 0, got {}", value);
  }
  template <class T>
  void not_negative(std::string_view key, T value) const {
    if (!(value >= 0)) fail(key, "must be 0 or more, got {}", value);
  }
  void above_zero(std::string_view key, double value) const {
    if (!(value > 0)) fail(key, "must be more than 0, got {}", value);
  }
  template <class T>
  void at_most(std::string_view key, T value, T most) const {
    if (value > most) fail(key, "must be at most {}, got {}", most, value);
  }
  void count(std::string_view key, int value, int most) const {
    positive(key, value);
    at_most(key, value, most);
  }
  /// Numbers of some of a model's `layers`, the first of which is no lower than `least`.
  void ascending(std::string_view key, std::span<const int> numbers, int layers, int least = 0) const {
    int last = least - 1;
    for (const int layer : numbers) {
      if (layer <= last || layer >= layers)
        fail(key, "must be ascending layer numbers from {} to {}, got {}", least, layers - 1, layer);
      last = layer;
    }
  }

 private:
  const Refuse& refuse_;
};
}  // namespace moesim::spec
