// Strong integer ids: a GpuId is not an ExpertId.  IdVector<GpuId, T> is a vector indexed only by GpuId.
#pragma once
#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/names.h"

namespace moesim::core {

enum class GpuId : std::uint32_t {};
enum class NodeId : std::uint32_t {};
enum class ExpertId : std::uint32_t {};
enum class LinkId : std::uint32_t {};
enum class FlowId : std::uint32_t {};
enum class LayerId : std::uint32_t {};
enum class RequestId : std::uint64_t {};

inline auto format_as(GpuId id) { return fmt::underlying(id); }
inline auto format_as(NodeId id) { return fmt::underlying(id); }
inline auto format_as(ExpertId id) { return fmt::underlying(id); }
inline auto format_as(LinkId id) { return fmt::underlying(id); }
inline auto format_as(FlowId id) { return fmt::underlying(id); }
inline auto format_as(LayerId id) { return fmt::underlying(id); }
inline auto format_as(RequestId id) { return fmt::underlying(id); }

template <class Id>
constexpr std::size_t index(Id id) {
  return static_cast<std::size_t>(id);
}

template <class Id, class T>
class IdVector {
 public:
  IdVector() = default;
  explicit IdVector(std::size_t n, T init = {}) : v_(n, init) {}
  T& operator[](Id id) { return v_.at(index(id)); }
  const T& operator[](Id id) const { return v_.at(index(id)); }
  std::size_t size() const { return v_.size(); }
  bool empty() const { return v_.empty(); }
  void push_back(T value) { v_.push_back(std::move(value)); }
  auto begin() { return v_.begin(); }
  auto end() { return v_.end(); }
  auto begin() const { return v_.begin(); }
  auto end() const { return v_.end(); }
  bool operator==(const IdVector&) const = default;

 private:
  std::vector<T> v_;
};
}  // namespace moesim::core
