// Products where the address space is limited (ulimit -v), and how OpenBLAS is started: each in a process of its own,
// which has not opened it yet.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "core/config_error.h"
#include "core/memory.h"
#include "numerics/algebra/blas.h"

namespace moesim::numerics {
namespace {
using testing::ExitedWithCode;
constexpr std::int64_t kMiB = 1 << 20;
// A thread's stack and the C library's arena for it, and what OpenBLAS maps for it; what is needed besides.
constexpr std::int64_t kThread = (8 + 128) * kMiB, kBuffer = 128 * kMiB, kLeast = 64 * kMiB;

/// Bytes of address space in use.
std::int64_t mapped() {
  std::int64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * sysconf(_SC_PAGESIZE);
}
void leave(std::int64_t bytes) {
  rlimit limit{};
  getrlimit(RLIMIT_AS, &limit);
  limit.rlim_cur = rlim_t(mapped() + bytes);
  if (setrlimit(RLIMIT_AS, &limit) != 0) _exit(99);
}
/// Says on stderr what comes out, and ends.
void tell(const std::string& what) {
  if (write(STDERR_FILENO, what.data(), what.size()) < 0) _exit(98);
  _exit(0);
}
std::string threads(int wanted) {
  try {
    return std::to_string(ready_threads(wanted)) + " threads";
  } catch (const ConfigError& e) {
    return e.what();
  }
}

class AddressSpace : public testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "sanitizers take all of the address space";
#endif
    GTEST_FLAG_SET(death_test_style, "threadsafe");  // starts the program anew
    unsetenv("OPENBLAS_NUM_THREADS");
  }
};

TEST_F(AddressSpace, HasRoomForSoManyThreads) {
  const auto of = [](std::int64_t left, int wanted) {
    leave(left + kMiB);  // for the little that asking takes
    tell(threads(wanted));
  };
  EXPECT_EXIT(of(kLeast + 3 * kThread, 8), ExitedWithCode(0), "^3 threads$");
  EXPECT_EXIT(of(kLeast + 3 * kThread, 2), ExitedWithCode(0), "^2 threads$");
  EXPECT_EXIT(of(kLeast, 8), ExitedWithCode(0), "^1 threads$");
  EXPECT_EXIT(of(32 * kMiB, 8), ExitedWithCode(0),
              "^matrix products need about 64 MB of address space, and 3[0-9] MB are left .ulimit -v.$");
}

// What OpenBLAS takes for each thread is mapped before they start; where there is no limit, when it is needed.
TEST_F(AddressSpace, OpenBlasHasItsBuffersBeforeItsThreadsStart) {
  const auto buffers = [](bool limited) {
    const UseProducts use(Products::openblas);
    (void)products_made();  // opens it
    if (limited) leave(kLeast + 3 * (kThread + kBuffer) + kMiB);
    const std::int64_t before = mapped();
    const std::string said = threads(limited ? 8 : 3);
    tell(said + ", " + std::to_string((mapped() - before) / kBuffer) + " buffers");
  };
  EXPECT_EXIT(buffers(true), ExitedWithCode(0), "^3 threads, 3 buffers$");
  EXPECT_EXIT(buffers(false), ExitedWithCode(0), "^3 threads, 0 buffers$");
}

// Otherwise it starts one a core.
TEST_F(AddressSpace, OpenBlasStartsNoThreadsOfItsOwn) {
  const auto multiply_once = [] {
    const UseProducts use(Products::openblas);
    const std::vector<float> ones(256 * 256, 1.0F);
    std::vector<float> y(ones.size());
    multiply({ones.data(), 256, 256, 256}, {ones.data(), 256, 256, 256}, y.data(), 256);
    const auto count = std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
    tell(std::to_string(int(y[0])) + ", " + std::to_string(count) + " threads");
  };
  EXPECT_EXIT(multiply_once(), ExitedWithCode(0), "^256, 1 threads$");
}
}  // namespace
}  // namespace moesim::numerics
