#include "numerics/algebra/blas.h"

#include <cblas.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/config_error.h"
#include "core/memory.h"
#include "numerics/algebra/ordered.h"

namespace moesim::numerics {
namespace {
// What OpenBLAS maps for each thread that computes a product (BUFFER_SIZE of common_x86_64.h, 0.3.21: 32 << 22 with
// dynamic kernels), a thread's stack, and the arena that the C library reserves for it.
constexpr std::int64_t kBuffer = 32 << 22, kStack = 8 << 20, kArena = 128 << 20;
constexpr std::int64_t kLibrary = 48 << 20;  // of OpenBLAS itself, with dynamic kernels (38 MB) and libgfortran
// assumed: what a small forward pass takes besides, below which a refusal is kinder than a start.
constexpr std::int64_t kLeast = 64 << 20;

/// OpenBLAS, opened when the first product is asked for.  Linked, it would start a thread a core and map its buffers
/// before main(), in every command, and where the address space does not suffice try for ever.
struct Library {
  decltype(&cblas_sgemm) gemm = nullptr;
  decltype(&cblas_sgemv) gemv = nullptr;
  decltype(&openblas_set_num_threads) set_threads = nullptr;
  decltype(&openblas_get_config) config = nullptr;
  decltype(&openblas_get_corename) kernels = nullptr;
  void* (*allocate)(int) = nullptr;  // its own buffers; null in a version that hides them
  void (*release)(void*) = nullptr;
};

Library open_library() {
  constexpr std::int64_t kNeeded = kLibrary + kBuffer + kLeast;
  if (const std::int64_t left = address_space_left(); left < kNeeded)
    throw ConfigError::placed(
        fmt::format("matrix products need about {} MB of address space, and {} MB are left (ulimit -v)", kNeeded >> 20,
                    left >> 20));
  setenv("OPENBLAS_NUM_THREADS", "1", 1);  // our own threads split the work, so it must not start any
  void* library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) library = dlopen(MOESIM_OPENBLAS, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw ConfigError(fmt::format("OpenBLAS cannot be loaded: {}", dlerror()));
  const auto take = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
  };
  Library out;
  take(out.gemm, "cblas_sgemm");
  take(out.gemv, "cblas_sgemv");
  take(out.set_threads, "openblas_set_num_threads");
  take(out.config, "openblas_get_config");
  take(out.kernels, "openblas_get_corename");
  take(out.allocate, "blas_memory_alloc");
  take(out.release, "blas_memory_free");
  if (out.gemm == nullptr || out.gemv == nullptr || out.set_threads == nullptr || out.config == nullptr ||
      out.kernels == nullptr)
    throw ConfigError("OpenBLAS cannot be used: it lacks cblas_sgemm, openblas_get_corename or their kin");
  return out;
}

const Library& library() {
  static const Library opened = open_library();
  return opened;
}

thread_local Products in_use = Products::ordered;

/// Threads that a stack and an arena each have room for beside what is needed anyway.
int threads_in(std::int64_t left, int wanted, std::int64_t each) {
  if (left == INT64_MAX) return wanted;
  return int(std::clamp<std::int64_t>((left - kLeast) / each, 1, wanted));
}

void product(const MatrixView& a, const MatrixView& b, bool transposed, float* y, std::int64_t stride, float scale,
             bool add) {
  const int n = transposed ? b.rows : b.columns;
  const int inner = transposed ? b.columns : b.rows;
  check(a.columns == inner, "a product of inner sizes {} and {}", a.columns, inner);
  if (a.rows == 0 || n == 0) return;
  if (in_use == Products::ordered) return (transposed ? ordered_transposed : ordered)(a, b, y, stride, scale, add, 16);
  const float beta = add ? 1.0F : 0.0F;
  const auto transpose = transposed ? CblasTrans : CblasNoTrans;
  if (a.rows == 1)  // a decode step: reading b once is all there is to do
    library().gemv(CblasRowMajor, transposed ? CblasNoTrans : CblasTrans, b.rows, b.columns, scale, b.data,
                   int(b.stride), a.data, 1, beta, y, 1);
  else
    library().gemm(CblasRowMajor, CblasNoTrans, transpose, a.rows, n, inner, scale, a.data, int(a.stride), b.data,
                   int(b.stride), beta, y, int(stride));
}
}  // namespace

UseProducts::UseProducts(Products products) : before_(std::exchange(in_use, products)) {}
UseProducts::~UseProducts() { in_use = before_; }
Products products_in_use() { return in_use; }
ProductsMade products_made() {
  if (in_use == Products::ordered) return {"in one order", "the same on every x86-64"};
  std::string version = library().config();  // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ..."
  version = version.substr(0, version.find(' ', version.find(' ') + 1));
  return {fmt::format("by {} with its kernels for {}", version, library().kernels()),
          "other processors give other last digits"};
}
std::string products_note() {
  const auto [how, meaning] = products_made();
  return fmt::format("matrix products {}: {}", how, meaning);
}

int ready_threads(int wanted) {
  wanted = std::max(1, wanted);
  if (in_use == Products::ordered) {
    const std::int64_t left = address_space_left();
    if (left < kLeast)
      throw ConfigError::placed(
          fmt::format("matrix products need about {} MB of address space, and {} MB are left (ulimit -v)", kLeast >> 20,
                      left >> 20));
    return threads_in(left, wanted, kStack + kArena);
  }
  const Library& blas = library();
  const std::int64_t left = address_space_left();
  const int count = threads_in(left, wanted, kBuffer + kStack + kArena);
  if (blas.allocate == nullptr || blas.release == nullptr || left == INT64_MAX) return count;
  // A buffer for each thread now: later it would ask again and again for space that something else has taken.
  std::vector<void*> buffers;
  for (int i = 0; i < count; ++i) buffers.push_back(blas.allocate(0));
  for (void* buffer : buffers) blas.release(buffer);
  return count;
}

void multiply_transposed(const MatrixView& a, const MatrixView& b, float* y, std::int64_t stride, float scale,
                         bool add) {
  product(a, b, true, y, stride, scale, add);
}
void multiply(const MatrixView& a, const MatrixView& b, float* y, std::int64_t stride, float scale, bool add) {
  product(a, b, false, y, stride, scale, add);
}
void set_blas_threads(int threads) { library().set_threads(threads); }
}  // namespace moesim::numerics
