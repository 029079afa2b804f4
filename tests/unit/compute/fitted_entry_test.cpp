// What a fit to tables writes, and what an entry takes from the one it is `from`.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <string>

#include "spec/catalogue.h"
#include "unit/compute/written_tables.h"

namespace moesim::compute {
namespace {
using FittedEntry = WrittenTables;

// What is written can be read, and holds what was fitted over the entry in force.
TEST_F(FittedEntry, IsACalibration) {
  const spec::Gpu gpu = spec::load_gpu("b200");
  TableFitResult fit{load_calibration("kernels-blackwell"), load_benchmarks("blackwell"), {"product bfloat16"}};
  ASSERT_TRUE(fit.calibration.gemm_bf16);
  fit.calibration.gemm_bf16->launch = 7_us;
  fit.benchmarks["product bfloat16"].of = "product bfloat16";
  const std::string file = folder.file("mine.yaml");
  put_file(file, table_fit_yaml(fit, gpu, {}));
  const Calibration read = load_calibration(file);
  ASSERT_TRUE(read.gemm_bf16);
  EXPECT_EQ(read.gemm_bf16->launch, 7_us);
  EXPECT_FALSE(read.gemm_bf16->borrowed);
  EXPECT_FALSE(read.gemm.borrowed);   // of the generation's own entry
  EXPECT_TRUE(read.memory.borrowed);  // which has it from another
}

// From there the errors of the rows go into the summary of every run.
TEST_F(FittedEntry, SaysHowFarItIsFromItsRows) {
  const spec::Gpu gpu = spec::load_gpu("b200");
  const TableFitResult fit{load_calibration("kernels-blackwell"), load_benchmarks("blackwell"), {"product bfloat16"}};
  const std::vector<Measurement> rows =
      read("gemm_any.csv", fmt::format("{}b200,x,y,bfloat16,64,2048,2048,20\nb200,x,y,bfloat16,4096,8192,8192,400\n"
                                       "b200,x,y,bfloat16,4096,8192,4096,300\n",
                                       kProducts));
  const std::vector<ClassResiduals> classes = residuals_of(fit, gpu, rows, [](const Measurement&) { return true; });
  ASSERT_EQ(classes.size(), 3u);
  const KernelError error = mean_error(classes);
  double median = 0;
  for (const ClassResiduals& c : classes) median += c.residuals.median * double(c.residuals.rows) / 3;
  EXPECT_DOUBLE_EQ(error.median, median);
  const std::string file = folder.file("mine.yaml");
  put_file(file, table_fit_yaml(fit, gpu, rows));
  EXPECT_NEAR(load_calibration(file).error.median, error.median, 0.005 * error.median);
  EXPECT_NEAR(load_calibration(file).error.ninetieth, error.ninetieth, 0.005 * error.ninetieth);
}

// The errors of a lender's rows say nothing of kernels elsewhere: borrowing was 2 to 3 times as far off.
TEST_F(FittedEntry, ErrorsAreNotBorrowed) {
  const KernelError own = load_calibration("kernels-hopper").error;
  for (const char* name : {"ada", "ascend", "blackwell_rtx", "cdna3", "cdna4", "rubin"}) {
    const Calibration c = load_calibration(std::string("kernels-") + name);
    EXPECT_EQ(c.error.median, 0) << name;
    EXPECT_GT(c.lent.median, 2 * own.median) << name;
  }
  const std::string file = folder.file("kernels-mine.yaml");
  put_file(file, "{type: kernel_calibration, title: mine, generation: hopper, from: kernels-hopper}");
  EXPECT_EQ(load_calibration(file).error.median, own.median);
}
}  // namespace
}  // namespace moesim::compute
