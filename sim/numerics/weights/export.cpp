#include "numerics/weights/export.h"

#include <fmt/format.h>

#include <map>

#include "core/files.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "formats/safetensors_writer.h"
#include "numerics/weights/new_folder.h"
#include "spec/hugging_face.h"

namespace moesim::numerics {
namespace {
/// A part and where its values go in a stored tensor, which may hold a part of every expert.
struct Piece {
  PartShape shape;
  int layer = -1, expert = -1;
  StoredPlace place;
};

class Exporter {
 public:
  Exporter(const spec::Model& model, Weights& weights) : model_(model), weights_(weights) {
    add(outer_parts(model), -1, -1);
    for (int layer = 0; layer < model.layers + model.mtp_layers; ++layer) {
      add(layer_parts(model, layer), layer, -1);
      for (int e = 0; spec::has_experts(model, layer) && e < model.moe->experts; ++e)
        add(expert_parts(model), layer, e);
    }
  }

  void write(const std::string& folder, Bytes shard) {
    formats::SafetensorsWriter writer(folder, plan_, shard);
    std::int64_t total = 0;
    for (const formats::PlannedTensor& t : plan_) total += t.bytes();
    Progress progress("exporting", std::uint64_t(total), "B");
    std::vector<float> values;
    std::uint64_t done = 0;
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      stop_if_interrupted();
      values.assign(std::size_t(plan_[i].bytes()) / sizeof(float), 0);
      for (const Piece& piece : pieces_[i]) fill(piece, values);
      writer.add(std::as_bytes(std::span(values)));
      progress.at(done += std::uint64_t(plan_[i].bytes()), plan_[i].name);
    }
    writer.finish();
  }

 private:
  void add(const std::vector<PartShape>& parts, int layer, int expert) {
    for (const PartShape& shape : parts) {
      StoredPlace place = stored_place(model_, shape, layer, expert);
      const auto [at, fresh] = index_.try_emplace(place.name, plan_.size());
      if (fresh) {
        plan_.push_back({place.name, formats::StoredType::f32, place.shape});
        pieces_.emplace_back();
      }
      pieces_[at->second].push_back({shape, layer, expert, std::move(place)});
    }
  }
  void fill(const Piece& piece, std::vector<float>& out) {
    const auto& [shape, layer, expert, place] = piece;
    const float* from = weights_.get(shape, layer, expert, scratch_);
    for (int r = 0; r < shape.rows; ++r)
      for (int c = 0; c < shape.columns; ++c)
        out[std::size_t(place.offset + r * place.row_stride + c * place.column_stride)] = *from++;
  }

  const spec::Model& model_;
  Weights& weights_;
  WeightScratch scratch_;
  std::vector<formats::PlannedTensor> plan_;
  std::vector<std::vector<Piece>> pieces_;  // of each planned tensor
  std::map<std::string, std::size_t> index_;
};
}  // namespace

void export_checkpoint(const spec::Model& model, Weights& weights, const std::string& folder, Bytes shard) {
  NewFolder target(folder);
  write_file(target.path() + "/config.json", spec::hugging_face_json(model, "float32"));
  Exporter(model, weights).write(target.path(), shard);
  target.keep();
}
}  // namespace moesim::numerics
