#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "support/program.h"

namespace moesim {
namespace {
using Environment = std::map<std::string, std::string>;

// What makes OpenBLAS and the C library take the code of another processor; the last has neither FMA nor AVX2, for
// them.
const std::vector<Environment> kMachines = {
    {{"OPENBLAS_CORETYPE", "Haswell"}},
    {{"OPENBLAS_CORETYPE", "SkylakeX"}},
    {{"OPENBLAS_CORETYPE", "Zen"}},
    {{"OPENBLAS_CORETYPE", "Sandybridge"}},
    {{"GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA,-FMA4,-AVX2_Usable,-FMA_Usable"},
     {"OPENBLAS_CORETYPE", "Prescott"}},
};

std::string printed_on(const Environment& machine, const std::string& arguments) {
  for (const auto& [name, value] : machine) setenv(name.c_str(), value.c_str(), 1);
  const TemporaryFolder folder;
  folder.write("text.txt", "Each token goes to the experts that its gate scores highest, and every expert is a GPU's.");
  const Printed printed = moesim_prints(arguments, folder);
  for (const auto& [name, value] : machine) unsetenv(name.c_str());
  EXPECT_EQ(printed.exit_code, 0) << printed.err;
  return printed.out;
}

void expect_the_same_on(const std::vector<Environment>& machines, const std::string& arguments,
                        const std::string& holds) {
  const std::string here = printed_on({}, arguments);
  EXPECT_NE(here.find(holds), std::string::npos) << here;
  for (const Environment& machine : machines)
    EXPECT_EQ(printed_on(machine, arguments), here) << arguments << " on " << machine.begin()->second;
}

TEST(AnyMachine, RecordedRoutingAndItsRunAreTheSame) {
  expect_the_same_on(kMachines,
                     "run quickstart --set routing.record.limit=40 --set routing.record.decode=4 "
                     "--set routing.record.synthetic.warm_up_tokens=64 --set passes.prefill.new_tokens=64 "
                     "--set passes.decode.sequences=8 --set passes.decode.steps=1 --set expect=[]",
                     "matrix products  in one order (the same on every x86-64)");
}

TEST(AnyMachine, LossesOfATextAreTheSame) {
  for (const char* model : {"gpt-oss-20b", "qwen3-next-80b-a3b"})
    expect_the_same_on({kMachines.back()}, std::string("loss --synthetic --text text.txt --json --model ") + model,
                       "next_token");
}

// Normal, gamma and exponential draws, and the laws of routing.
TEST(AnyMachine, RandomTrafficIsTheSame) {
  expect_the_same_on({kMachines.back()},
                     "run serve-mixtral-8x7b --set 'serving.duration=4 s' --set 'serving.warmup=1 s' --set expect=[]",
                     "fingerprint");
}

TEST(AnyMachine, OpenBlasSaysWhichKernelsMadeTheRouting) {
  const std::string out = printed_on({{"OPENBLAS_CORETYPE", "Haswell"}},
                                     "record --model deepseek-v2-lite --synthetic --text text.txt --limit 20 -o t.db "
                                     "--products openblas");
  EXPECT_NE(out.find("matrix products by OpenBLAS "), std::string::npos) << out;
  EXPECT_NE(out.find(" with its kernels for Haswell: other processors give other last digits"), std::string::npos)
      << out;
}
}  // namespace
}  // namespace moesim
