#include "formats/safetensors_writer.h"

#include <fmt/format.h>

#include "core/check.h"
#include "core/files.h"
#include "formats/json.h"

namespace moesim::formats {
namespace {
void write_header(NewFile& out, std::string text) {
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data is aligned
  const std::uint64_t length = text.size();
  out.write({reinterpret_cast<const char*>(&length), 8});
  out.write(text);
}
}  // namespace

std::int64_t PlannedTensor::bytes() const {
  std::int64_t n = stored_bytes(type);
  for (const std::int64_t size : shape) n *= size;
  return n;
}

SafetensorsWriter::SafetensorsWriter(std::string folder, std::vector<PlannedTensor> tensors, Bytes shard)
    : folder_(std::move(folder)), tensors_(std::move(tensors)) {
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const std::int64_t bytes = tensors_[i].bytes();
    if (shards_.empty() || shards_.back().bytes + bytes > shard.v) shards_.push_back({"", i, i, 0});
    shards_.back().end = i + 1;
    shards_.back().bytes += bytes;
  }
  for (std::size_t s = 0; s < shards_.size(); ++s)
    shards_[s].file = shards_.size() == 1 ? "model.safetensors"
                                          : fmt::format("model-{:05}-of-{:05}.safetensors", s + 1, shards_.size());
}

void SafetensorsWriter::open(const Shard& shard) {
  // written piece by piece: an ordered JSON object would search all names for each of tens of thousands
  std::string text = R"({"__metadata__":{"format":"pt"})";
  std::int64_t at = 0;
  for (std::size_t i = shard.first; i < shard.end; ++i) {
    const PlannedTensor& t = tensors_[i];
    const Json entry{{"dtype", name_of(t.type)}, {"shape", t.shape}, {"data_offsets", {at, at + t.bytes()}}};
    text += fmt::format(",{}:{}", json_text(t.name), json_text(entry));
    at += t.bytes();
  }
  text += "}";
  write_header(out_.emplace(folder_ + "/" + shard.file), std::move(text));
  written_ = 0;
}

void SafetensorsWriter::close() {
  out_->keep();
  out_.reset();
  written_ = -1;
  ++at_;
}

void SafetensorsWriter::add(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    check(at_ < shards_.size(), "more bytes than planned for {}", folder_);
    if (written_ < 0) open(shards_[at_]);
    const auto count = std::min(std::int64_t(bytes.size()), shards_[at_].bytes - written_);
    out_->write({reinterpret_cast<const char*>(bytes.data()), std::size_t(count)});
    written_ += count;
    bytes = bytes.subspan(std::size_t(count));
    if (written_ == shards_[at_].bytes) close();
  }
}

void SafetensorsWriter::finish() {
  check(at_ == shards_.size(), "{} of {} files of {} were filled", at_, shards_.size(), folder_);
  if (shards_.size() == 1) return;
  JsonValue index{{"metadata", {{"total_size", 0}}}, {"weight_map", JsonValue::object()}};  // finds names fast
  std::int64_t total = 0;
  for (const Shard& s : shards_) {
    total += s.bytes;
    for (std::size_t i = s.first; i < s.end; ++i) index["weight_map"][tensors_[i].name] = s.file;
  }
  index["metadata"]["total_size"] = total;
  write_file(folder_ + "/model.safetensors.index.json", json_text(index, 2) + "\n");
}
}  // namespace moesim::formats
