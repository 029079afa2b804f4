#include "formats/byte_file.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::formats {
namespace {
TEST(ByteFile, SaysThatAFileBecameShorterWhileItWasRead) {
  const TemporaryFolder folder;
  const ByteFile file(folder.write("a", std::string(100, 'x')));
  std::string out(10, ' ');
  file.read(50, out.data(), 10, "ten bytes");
  EXPECT_EQ(out, std::string(10, 'x'));
  std::filesystem::resize_file(folder.file("a"), 55);
  EXPECT_EQ(test::refusal_of([&] { file.read(50, out.data(), 10, "ten bytes"); }),
            folder.file("a") + ": byte 55: cannot be read: it became shorter");
}

// The system refuses to write to no address: as near as a test comes to a disk that fails.
TEST(ByteFile, SaysWhatTheSystemSaysOfARead) {
  const TemporaryFolder folder;
  const ByteFile file(folder.write("a", std::string(100, 'x')));
  EXPECT_EQ(test::refusal_of([&] { file.read(50, nullptr, 10, "ten bytes"); }),
            folder.file("a") + ": byte 50: cannot be read: Bad address");
}
}  // namespace
}  // namespace moesim::formats
