#include "core/memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace moesim::core {
namespace {
/// A line "KEY: NUMBER kB" of a file in /proc, in bytes; -1 if there is none.
std::int64_t kilobytes_of(const char* file, std::string_view key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(key)) return std::strtoll(line.c_str() + key.size(), nullptr, 10) * 1024;
  return -1;
}

/// The one number that a file holds; -1 if it cannot be read or says "max".
std::int64_t number_in(const std::string& file) {
  std::ifstream in(file);
  std::int64_t out = -1;
  return in >> out ? out : -1;
}

std::int64_t soft_limit(decltype(RLIMIT_AS) what) {
  rlimit limit{};
  if (getrlimit(what, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return INT64_MAX;
  return std::int64_t(std::min<rlim_t>(limit.rlim_cur, INT64_MAX));
}

std::int64_t left_below(std::int64_t limit, std::string_view used) {
  if (limit == INT64_MAX) return limit;
  return std::max<std::int64_t>(0, limit - std::max<std::int64_t>(0, kilobytes_of("/proc/self/status", used)));
}

/// What this process's control group and those above it leave.  Sources: Linux, Documentation/admin-guide/cgroup-v2.rst
/// (memory.max, memory.current) and cgroup-v1/memory.rst (memory.limit_in_bytes, memory.usage_in_bytes).
std::int64_t left_in_groups() {
  std::int64_t out = INT64_MAX;
  const auto look = [&](const std::string& most, const std::string& used) {
    const std::int64_t limit = number_in(most), now = number_in(used);
    if (limit >= 0 && now >= 0) out = std::min(out, std::max<std::int64_t>(0, limit - now));
  };
  std::ifstream in("/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    const bool second = line.starts_with("0::");
    const std::size_t first = line.find(":memory:");
    if (!second && first == std::string::npos) continue;
    const std::string root = second ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    std::string group = line.substr(second ? 3 : first + 8);
    for (bool more = true; more;) {  // from the process's own group up to the root
      const std::string here = root + (group == "/" ? "" : group);
      if (second)
        look(here + "/memory.max", here + "/memory.current");
      else
        look(here + "/memory.limit_in_bytes", here + "/memory.usage_in_bytes");
      more = group.size() > 1;
      group.resize(
          std::max<std::size_t>(1, group.find_last_of('/') == std::string::npos ? 1 : group.find_last_of('/')));
    }
  }
  return out;
}
}  // namespace

MemoryBound memory_bound() {
  MemoryBound out;
  const auto take = [&](std::int64_t bytes, const char* whose) {
    if (bytes >= 0 && bytes < out.bytes) out = {bytes, whose};
  };
  take(kilobytes_of("/proc/meminfo", "MemAvailable:"), "free memory of this machine");
  take(left_in_groups(), "left of the control group's memory");
  static const std::int64_t given = soft_limit(RLIMIT_DATA);  // before limit_data() set one of ours
  take(left_below(soft_limit(RLIMIT_AS), "VmSize:"), "left of ulimit -v");
  take(left_below(given, "VmData:"), "left of ulimit -d");
  return out;
}

std::int64_t address_space_left() {
  return std::min(left_below(soft_limit(RLIMIT_AS), "VmSize:"), left_below(soft_limit(RLIMIT_DATA), "VmData:"));
}

void limit_data(std::int64_t bytes) {
#if !defined(__SANITIZE_ADDRESS__)  // whose shadow memory counts as data: terabytes from the start
  rlimit limit{};
  if (getrlimit(RLIMIT_DATA, &limit) != 0) return;
  const std::int64_t used = std::max<std::int64_t>(0, kilobytes_of("/proc/self/status", "VmData:"));
  const rlim_t wanted = rlim_t(used + std::clamp<std::int64_t>(bytes, 0, INT64_MAX - used));
  if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur <= wanted) return;
  limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? wanted : std::min(wanted, limit.rlim_max);
  (void)setrlimit(RLIMIT_DATA, &limit);
#else
  (void)bytes;
#endif
}
}  // namespace moesim::core
