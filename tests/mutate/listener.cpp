// In the copy that tests/mutate builds, part of every test program: says in MUTANT_REACHED's file which test ends, so
// that what stands before its line was come by in it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

void moesim_forget_mutants();
namespace {
class Reached : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo&) override { moesim_forget_mutants(); }
  void OnTestEnd(const testing::TestInfo& test) override {
    const int file = open(std::getenv("MUTANT_REACHED"), O_WRONLY | O_APPEND | O_CREAT, 0644);
    const std::string line = std::string(test.result()->Failed()    ? "F "
                                         : test.result()->Skipped() ? "S "
                                                                    : "T ") +
                             std::to_string(test.result()->elapsed_time()) + " " + test.test_suite_name() + "." +
                             test.name() + "\n";
    if (write(file, line.data(), line.size()) != ssize_t(line.size())) std::abort();
    close(file);
  }
};
}  // namespace

/// Called by the copy's main.
void moesim_listen() {
  if (std::getenv("MUTANT_REACHED") != nullptr) testing::UnitTest::GetInstance()->listeners().Append(new Reached);
}
