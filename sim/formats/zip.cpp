#include "formats/zip.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "formats/checked.h"

namespace moesim::formats {
namespace {
constexpr std::uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                        kLocator64 = 0x07064b50;

/// What is unpacked of a file's deflated entries may be so many times the file, and this much more.  assumed: deflate
/// reaches 1032 times on zeros; recorded numbers give 1.1 (floats) to 20 times (small 64-bit integers), and short ones
/// may be zeros.
constexpr std::uint64_t kMostTimes = 32, kAlways = std::uint64_t{64} << 20;

template <class T>
T at(const std::string& bytes, std::size_t offset) {
  T out;
  std::memcpy(&out, bytes.data() + offset, sizeof out);
  return out;
}
}  // namespace

ZipFile::ZipFile(std::shared_ptr<const ByteFile> file) : file_(std::move(file)) {
  // The end record is the last thing, before a comment of at most 65535 bytes.
  const std::uint64_t tail = std::min<std::uint64_t>(file_->size(), 22 + 65535), start = file_->size() - tail;
  const std::string bytes = file_->read(start, tail, "a ZIP directory");
  std::size_t end = bytes.rfind("PK\x05\x06");
  if (end == std::string::npos || bytes.size() - end < 22)
    file_->fail(file_->size(), "the ZIP file has no directory at its end; is it cut off");
  std::uint64_t count = at<std::uint16_t>(bytes, end + 10), size = at<std::uint32_t>(bytes, end + 12);
  std::uint64_t directory = at<std::uint32_t>(bytes, end + 16);
  if (end >= 20 && at<std::uint32_t>(bytes, end - 20) == kLocator64) {
    const std::uint64_t record = at<std::uint64_t>(bytes, end - 20 + 8);
    const std::string end64 = file_->read(record, 56, "the 64-bit ZIP directory's end");
    if (at<std::uint32_t>(end64, 0) != kEnd64) file_->fail(record, "expected the 64-bit end of a ZIP directory");
    count = at<std::uint64_t>(end64, 32), size = at<std::uint64_t>(end64, 40), directory = at<std::uint64_t>(end64, 48);
  }
  if (directory > file_->size() || size > file_->size() - directory)
    file_->fail(start + end, fmt::format("the ZIP directory of {} bytes at {} lies outside the file", size, directory));
  std::uint64_t next = directory;
  for (std::uint64_t i = 0; i < count; ++i) read_entry(next, directory + size, next);
  check_apart();
}

/// Entries that share bytes would let a small file stand for any number of large ones.
void ZipFile::check_apart() const {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> places;
  for (const auto& [name, e] : entries_)
    if (e.stored > 0) places.emplace_back(e.offset, e.offset + e.stored);
  std::sort(places.begin(), places.end());
  for (std::size_t i = 1; i < places.size(); ++i)
    if (places[i].first < places[i - 1].second)
      file_->fail(places[i].first, "two entries of the ZIP file share their bytes");
}

void ZipFile::read_entry(std::uint64_t offset, std::uint64_t end, std::uint64_t& next) {
  if (offset + 46 > end) file_->fail(offset, "the ZIP directory ends within an entry");
  const std::string head = file_->read(offset, 46, "a ZIP directory entry");
  if (at<std::uint32_t>(head, 0) != kCentral) file_->fail(offset, "expected an entry of the ZIP directory");
  const std::uint16_t flags = at<std::uint16_t>(head, 8), method = at<std::uint16_t>(head, 10);
  const std::uint64_t name_size = at<std::uint16_t>(head, 28), extra_size = at<std::uint16_t>(head, 30);
  Entry e;
  e.crc = at<std::uint32_t>(head, 16);
  e.stored = at<std::uint32_t>(head, 20);
  e.size = at<std::uint32_t>(head, 24);
  std::uint64_t local = at<std::uint32_t>(head, 42);
  next = offset + 46 + name_size + extra_size + at<std::uint16_t>(head, 32);
  if (next > end) file_->fail(offset, "the ZIP directory ends within an entry");
  const std::string name = file_->read(offset + 46, name_size, "a ZIP entry's name");
  const std::string extra = file_->read(offset + 46 + name_size, extra_size, "a ZIP entry's extra field");
  for (std::size_t x = 0; x + 4 <= extra.size();) {
    const std::size_t length = at<std::uint16_t>(extra, x + 2), stop = std::min(extra.size(), x + 4 + length);
    if (at<std::uint16_t>(extra, x) == 1) {  // 64-bit values of the fields that are all ones, in this order
      std::size_t v = x + 4;
      for (std::uint64_t* field : {&e.size, &e.stored, &local})
        if (*field == 0xffffffff && v + 8 <= stop) *field = at<std::uint64_t>(extra, v), v += 8;
    }
    x += 4 + length;
  }
  if (flags & 1) file_->fail(offset, fmt::format("ZIP entry \"{}\" is encrypted", name));
  if (method != 0 && method != 8)
    file_->fail(offset, fmt::format("ZIP entry \"{}\" is packed by method {}, expected stored (0) or deflated (8)",
                                    name, method));
  e.deflated = method == 8;
  const std::string here = file_->read(local, 30, "a ZIP entry");
  if (at<std::uint32_t>(here, 0) != kLocal) file_->fail(local, fmt::format("expected ZIP entry \"{}\"", name));
  e.offset = local + 30 + at<std::uint16_t>(here, 26) + at<std::uint16_t>(here, 28);
  if (e.offset > file_->size() || e.stored > file_->size() - e.offset)
    file_->fail(e.offset, fmt::format("ZIP entry \"{}\" of {} bytes reaches past the end of the file", name, e.stored));
  if (!e.deflated && e.size != e.stored)
    file_->fail(offset, fmt::format("ZIP entry \"{}\" is stored but has two sizes", name));
  if (!name.ends_with("/") && !entries_.emplace(name, e).second)
    file_->fail(offset, fmt::format("the ZIP file has two entries \"{}\"", name));
}

std::string ZipFile::read(const std::string& name, std::uint64_t most) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) throw ConfigError::placed(fmt::format("{}: has no entry \"{}\"", file_->name(), name));
  const Entry& e = found->second;
  if (e.size > most)
    file_->fail(e.offset, fmt::format("ZIP entry \"{}\" claims {} bytes, expected at most {}", name, e.size, most));
  const std::string out = e.deflated ? inflated(name, e) : file_->read(e.offset, e.size, "a ZIP entry");
  if (crc32(0, reinterpret_cast<const Bytef*>(out.data()), uInt(out.size())) != e.crc)
    file_->fail(e.offset, fmt::format("ZIP entry \"{}\" is damaged: its sum is wrong", name));
  return out;
}

std::string ZipFile::inflated(const std::string& name, const Entry& e) const {
  if (!std::exchange(e.counted, true)) unpacked_ = sum_of(unpacked_, e.size);
  if (unpacked_ > sum_of(kAlways, product_of(kMostTimes, file_->size())))
    file_->fail(e.offset, fmt::format("ZIP entry \"{}\" of {} bytes is too much for a file of {}; store its entries "
                                      "without packing them",
                                      name, e.size, file_->size()));
  struct Inflater : z_stream {
    Inflater() : z_stream{} {
      if (inflateInit2(this, -MAX_WBITS) != Z_OK) throw std::logic_error("zlib cannot start");
    }
    ~Inflater() { inflateEnd(this); }
  } z;
  int state = Z_OK;
  std::string out, in, piece(1 << 16, '\0');
  for (std::uint64_t done = 0; state == Z_OK;) {  // without input and progress, inflate says Z_BUF_ERROR
    if (z.avail_in == 0 && done < e.stored) {
      in = file_->read(e.offset + done, std::min<std::uint64_t>(e.stored - done, 1 << 16), "a ZIP entry");
      done += in.size();
      z.next_in = reinterpret_cast<Bytef*>(in.data());
      z.avail_in = uInt(in.size());
    }
    z.next_out = reinterpret_cast<Bytef*>(piece.data());
    z.avail_out = uInt(piece.size());
    state = inflate(&z, Z_NO_FLUSH);
    if (out.size() + piece.size() > out.capacity())  // it grows with what is there, never with what is claimed
      out.reserve(std::min<std::size_t>(2 * out.size() + piece.size(), e.size + piece.size()));
    out.append(piece, 0, piece.size() - z.avail_out);
    if (out.size() > e.size) break;
  }
  if (state != Z_STREAM_END || out.size() != e.size)
    file_->fail(e.offset,
                fmt::format("ZIP entry \"{}\" is damaged: {} of {} bytes can be unpacked", name, out.size(), e.size));
  return out;
}
}  // namespace moesim::formats
