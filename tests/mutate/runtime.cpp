// Which change is switched on, in the copy of the program that tests/mutate builds; it lies in sim/core there.
// MUTANT=17 switches on number 17.  MUTANT_REACHED=FILE writes the numbers of those that are come by, each once until
// moesim_forget_mutants() is called; a line of the file is one number.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

int moesim_mutant = 0;
namespace {
constexpr int kMost = 100'000;
unsigned char seen[kMost];
int file = -1;

// Before all other initialisers: what they compute may be changed too.
[[gnu::constructor(101)]] void start() {
  if (const char* number = std::getenv("MUTANT")) moesim_mutant = std::atoi(number);
  if (const char* name = std::getenv("MUTANT_REACHED")) {
    // Far from 0, 1 and 2, which some tests close before they run the program: what it prints would go here.
    constexpr int kFar = 100;
    const int low = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    file = fcntl(low, F_DUPFD_CLOEXEC, kFar);
    close(low);
    moesim_mutant = -1;
  }
}
}  // namespace

void moesim_reach(int number) {
  if (number >= kMost || file < 0 || seen[number] != 0) return;
  seen[number] = 1;
  char line[16];
  const int length = std::snprintf(line, sizeof line, "%d\n", number);
  if (write(file, line, std::size_t(length)) != length) std::abort();
}
void moesim_forget_mutants() {
  for (unsigned char& s : seen) s = 0;
}
