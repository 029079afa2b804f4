// Builds small files in the formats that importers read, byte by byte.
#pragma once
#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace moesim::bytes {

template <class T>
std::string le(T value) {
  std::string out(sizeof value, '\0');
  std::memcpy(out.data(), &value, sizeof value);
  return out;
}
template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// descr: '<i4'; shape: "(2, 3)".
inline std::string npy(const std::string& descr, const std::string& shape, const std::string& data,
                       bool fortran = false) {
  std::string head =
      "{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': " + shape + ", }";
  head.resize((head.size() + 11 + 63) / 64 * 64 - 11, ' ');
  head += '\n';
  return std::string("\x93NUMPY\x01\0", 8) + le(std::uint16_t(head.size())) + head + data;
}

inline std::string deflated(const std::string& bytes) {
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, bytes.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = uInt(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = uInt(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

inline std::string zip(const std::vector<std::pair<std::string, std::string>>& entries, bool deflate = false) {
  std::string out, directory;
  for (const auto& [name, data] : entries) {
    const std::string stored = deflate ? deflated(data) : data;
    const auto crc = std::uint32_t(crc32(0, reinterpret_cast<const Bytef*>(data.data()), uInt(data.size())));
    const std::string common = le(std::uint16_t(20)) + le(std::uint16_t(0)) + le(std::uint16_t(deflate ? 8 : 0)) +
                               le(std::uint32_t(0)) + le(crc) + le(std::uint32_t(stored.size())) +
                               le(std::uint32_t(data.size())) + le(std::uint16_t(name.size())) + le(std::uint16_t(0));
    directory += "PK\x01\x02" + le(std::uint16_t(20)) + common + le(std::uint16_t(0)) + le(std::uint16_t(0)) +
                 le(std::uint16_t(0)) + le(std::uint32_t(0)) + le(std::uint32_t(out.size())) + name;
    out += "PK\x03\x04" + common + name + stored;
  }
  const auto at = std::uint32_t(out.size());
  return out + directory + "PK\x05\x06" + le(std::uint32_t(0)) + le(std::uint16_t(entries.size())) +
         le(std::uint16_t(entries.size())) + le(std::uint32_t(directory.size())) + le(at) + le(std::uint16_t(0));
}

// Pickle protocol 2, as torch.save writes it.
inline std::string text(const std::string& s) { return "X" + le(std::uint32_t(s.size())) + s; }
inline std::string integer(std::int32_t v) { return "J" + le(v); }
inline std::string list(const std::vector<std::string>& items) {
  std::string out = "](";
  for (const std::string& i : items) out += i;
  return out + "e";
}
inline std::string integers(const std::vector<std::int32_t>& values) {
  std::vector<std::string> items;
  for (const std::int32_t v : values) items.push_back(integer(v));
  return list(items);
}
inline std::string dictionary(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string out = "}(";
  for (const auto& [key, value] : items) out += text(key) + value;
  return out + "u";
}
inline std::string tuple(const std::vector<std::int32_t>& values) {
  std::string out = "(";
  for (const std::int32_t v : values) out += integer(v);
  return out + "t";
}
inline std::string tensor(const std::string& storage, const std::string& key, std::int32_t elements,
                          const std::vector<std::int32_t>& shape, const std::vector<std::int32_t>& strides,
                          std::int32_t offset = 0) {
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\n" + storage + "\n" + text(key) +
         text("cuda:0") + integer(elements) + "tQ" + integer(offset) + tuple(shape) + tuple(strides) +
         "\x89"
         "ccollections\nOrderedDict\n)RtR";
}
inline std::string pickle(const std::string& value) { return "\x80\x02" + value + "."; }
inline std::string torch_file(const std::string& root,
                              const std::vector<std::pair<std::string, std::string>>& storages) {
  std::vector<std::pair<std::string, std::string>> entries = {{"x/data.pkl", pickle(root)}};
  for (const auto& [key, data] : storages) entries.push_back({"x/data/" + key, data});
  entries.push_back({"x/version", "3\n"});
  return zip(entries);
}

struct SafeTensor {
  std::string name, type, shape, data;
};
inline std::string safetensors(const std::vector<SafeTensor>& tensors) {
  std::string head = "{", data;
  for (const SafeTensor& t : tensors) {
    head += (head.size() > 1 ? "," : "") + std::string("\"") + t.name + "\":{\"dtype\":\"" + t.type +
            "\",\"shape\":" + t.shape + ",\"data_offsets\":[" + std::to_string(data.size()) + "," +
            std::to_string(data.size() + t.data.size()) + "]}";
    data += t.data;
  }
  head += "}";
  return le(std::uint64_t(head.size())) + head + data;
}

inline std::string gguf_text(const std::string& s) { return le(std::uint64_t(s.size())) + s; }
/// An importance matrix with one tensor of counts a layer.
inline std::string imatrix(const std::vector<std::pair<int, std::vector<float>>>& layers, std::uint32_t chunks,
                           std::uint32_t chunk) {
  std::string out = "GGUF" + le(std::uint32_t(3)) + le(std::uint64_t(layers.size())) + le(std::uint64_t(4));
  out += gguf_text("general.type") + le(std::uint32_t(8)) + gguf_text("imatrix");
  out += gguf_text("imatrix.datasets") + le(std::uint32_t(9)) + le(std::uint32_t(8)) + le(std::uint64_t(1)) +
         gguf_text("wiki");
  out += gguf_text("imatrix.chunk_count") + le(std::uint32_t(4)) + le(chunks) + gguf_text("imatrix.chunk_size") +
         le(std::uint32_t(4)) + le(chunk);
  std::string data;
  for (const auto& [layer, counts] : layers) {
    out += gguf_text("blk." + std::to_string(layer) + ".ffn_gate_exps.weight.counts") + le(std::uint32_t(2)) +
           le(std::uint64_t(1)) + le(std::uint64_t(counts.size())) + le(std::uint32_t(0)) +
           le(std::uint64_t(data.size()));
    data += raw(counts);
    data.resize((data.size() + 31) / 32 * 32, '\0');
  }
  out.resize((out.size() + 31) / 32 * 32, '\0');
  return out + data;
}

inline std::string base64(const std::string& bytes) {
  static const char* digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t v = 0;
    for (std::size_t j = 0; j < 3; ++j) v = v << 8 | (i + j < bytes.size() ? std::uint8_t(bytes[i + j]) : 0);
    for (std::size_t j = 0; j < 4; ++j) out += i + j > bytes.size() ? '=' : digits[v >> (18 - 6 * j) & 63];
  }
  return out;
}
}  // namespace moesim::bytes
