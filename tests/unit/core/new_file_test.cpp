// Nobody sees half a file, and nothing that was there is overwritten.
#include "core/new_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "core/config.h"
#include "core/files.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace {
std::vector<std::string> g_synced;  // by path, in order
}
// In place of the C library's: what a power cut would take is seen by nothing else.
extern "C" int fsync(int descriptor) {
  std::error_code error;
  g_synced.push_back(std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(descriptor), error).string());
  return int(syscall(SYS_fsync, descriptor));
}

namespace moesim::core {
namespace {
namespace fs = std::filesystem;

class NewFileTest : public testing::Test {
 protected:
  std::string file(const char* name) const { return folder_.file(name); }
  TemporaryFolder folder_;
};

TEST_F(NewFileTest, HasItsNameOnceItIsWhole) {
  const std::string text(200'000, 'x');
  {
    NewFile out(file("a"));
    out.write(text);
    EXPECT_FALSE(fs::exists(file("a")));
    out.keep();
  }
  EXPECT_EQ(read_file(file("a")), text);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), {}), 1);
  std::ofstream(file("b")) << "x";  // as any program of the user's makes files
  EXPECT_EQ(fs::status(file("a")).permissions(), fs::status(file("b")).permissions());
}

TEST_F(NewFileTest, IsGoneIfItIsNotKept) {
  { NewFile(file("a")).write("half"); }
  EXPECT_TRUE(folder_.empty());
}

TEST_F(NewFileTest, ItsBytesAreOnTheDiskBeforeItsNameAndThenTheName) {
  NewFile out(file("a"));
  out.write("x");
  g_synced.clear();
  out.keep();
  EXPECT_EQ(g_synced, (std::vector{out.path(), folder_.path().string()}));
}

TEST_F(NewFileTest, AFolderOfTheUsualModeBesideAFile) {
  const fs::path made = new_folder_beside(file("a"));
  EXPECT_EQ(made.parent_path(), folder_.path());
  EXPECT_EQ(made.string().substr(0, file("a.").size()), file("a."));
  EXPECT_TRUE(fs::is_empty(made));
  fs::create_directory(file("b"));  // as any program of the user's makes folders
  EXPECT_EQ(fs::status(made).permissions(), fs::status(file("b")).permissions());
  EXPECT_EQ(test::refusal_of([&] { (void)new_folder_beside(file("no/a")); }),
            file("no/a") + ": cannot be written: No such file or directory");
}

TEST_F(NewFileTest, LeavesWhatCameToExistMeanwhile) {
  NewFile out(file("a"));
  out.write("ours");
  std::ofstream(file("a")) << "theirs";
  EXPECT_EQ(test::refusal_of([&] { out.keep(); }),
            file("a") + ": came to exist while it was being written; it is left as it is");
  EXPECT_EQ(read_file(file("a")), "theirs");
}

TEST_F(NewFileTest, DoesNotFollowLinks) {
  std::ofstream(file("victim")) << "precious";
  fs::create_symlink(file("victim"), file("a.part"));  // a name that others might guess
  fs::create_symlink(file("nowhere"), file("b"));
  write_file(file("a"), "ours");
  EXPECT_EQ(read_file(file("victim")), "precious");
  EXPECT_FALSE(fs::is_symlink(file("a")));
  EXPECT_EQ(test::refusal_of([&] { write_file(file("b"), "ours"); }),
            file("b") + ": already exists; choose another name with -o, or overwrite it with --force");
}

TEST_F(NewFileTest, SaysWhatIsInTheWay) {
  EXPECT_EQ(test::refusal_of([&] { write_file(file("no/a"), ""); }),
            file("no/a") + ": the folder " + file("no") + " does not exist");
}

TEST_F(NewFileTest, OnlyRegularFilesAreRead) {
  ASSERT_EQ(mkfifo(file("pipe").c_str(), 0600), 0);
  const std::string problem = ": is not a regular file; save what it gives to one first";
  EXPECT_EQ(test::refusal_of([&] { (void)read_file(file("pipe")); }), file("pipe") + problem);
  EXPECT_EQ(test::refusal_of([] { (void)read_file("/dev/zero"); }), "/dev/zero" + problem);
  EXPECT_EQ(test::refusal_of([&] { (void)read_file(folder_.path()); }),
            folder_.path().string() + ": is a folder, expected a file");
  EXPECT_EQ(test::refusal_of([&] { (void)read_file(file("none")); }), file("none") + ": no such file");
  for (const char* name : {"pipe", "none"})
    EXPECT_EQ(test::refusal_of([&] { check_file(file(name)); }),
              test::refusal_of([&] { (void)open_file(file(name)); }));
}

TEST_F(NewFileTest, AFileThatIsTooLargeIsNotRead) {
  write_file(file("large"), "a");
  fs::resize_file(file("large"), (16 << 20) + 1);  // takes no room on the disk, but would in memory
  EXPECT_EQ(test::refusal_of([&] { (void)read_file(file("large"), 16 << 20); }),
            file("large") + ": is larger than 16 MiB");
  EXPECT_EQ(test::refusal_of([&] { (void)Config::load(file("large")); }), file("large") + ": is larger than 16 MiB");
  EXPECT_EQ(read_file(file("large"), 17 << 20).size(), std::size_t((16 << 20) + 1));
}
}  // namespace
}  // namespace moesim::core
