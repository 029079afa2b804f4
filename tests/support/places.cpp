// Apart, so that what the compiler makes of a test is the same in every folder.
#include "support/places.h"

namespace moesim::test {
const std::string& source_dir() {
  static const std::string dir = SOURCE_DIR;
  return dir;
}
const std::string& moesim_program() {
  static const std::string file = MOESIM_PROGRAM;
  return file;
}
}  // namespace moesim::test
