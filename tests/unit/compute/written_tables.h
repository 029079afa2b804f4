// Tables of measured kernels that a test writes and reads.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "compute/fitting/tables.h"
#include "support/temporary_folder.h"

namespace moesim::compute {
inline constexpr const char* kProducts = "gpu,library,kernel,precision,m,n,k,time_us\n";

class WrittenTables : public testing::Test {
 protected:
  std::vector<Measurement> read(const std::string& name, const std::string& text) const {
    return table(name, text).rows;
  }
  KernelTable table(const std::string& name, const std::string& text) const {
    const std::string file = folder.file(name);
    put_file(file, text);
    return read_kernel_table(file);
  }
  const TemporaryFolder folder;
};
}  // namespace moesim::compute
