// moesim's side of recording_torch.py: writes the quickstart's model as a Hugging Face folder with tokens of real text,
// then runs one pass for each line read and prints its seconds.  "results" writes what the last pass gave beside it.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "core/files.h"
#include "numerics/weights/export.h"
#include "recording/record.h"
#include "spec/catalogue.h"
#include "support/safetensors.h"

namespace moesim::recording {
namespace {
using Clock = std::chrono::steady_clock;

class Side {
 public:
  Side(const std::string& folder, int sequences, int length) : folder_(folder) {
    model_ = spec::load_model("deepseek-v3");
    model_ = spec::scaled(model_, spec::laptop_scale(model_));
    model_.mtp_layers = 0;  // the quickstart's pass does not run it
    weights_ = std::make_unique<numerics::SyntheticWeights>(model_, numerics::SyntheticOptions{});
    numerics::export_checkpoint(model_, *weights_, folder_);
    read_tokens(sequences, length);
    forward_ = std::make_unique<numerics::Forward>(model_, *weights_, numerics::ForwardOptions{.threads = 2});
  }

  double pass() {
    const auto start = Clock::now();
    std::vector<numerics::KvCache> caches(sequences_.size(), forward_->new_cache());
    std::vector<numerics::Segment> segments;
    std::vector<int> tokens;
    for (std::size_t i = 0; i < sequences_.size(); ++i) {
      segments.push_back({&caches[i], int(tokens.size()), int(sequences_[i].size())});
      tokens.insert(tokens.end(), sequences_[i].begin(), sequences_[i].end());
    }
    routing_.clear();
    const numerics::Matrix hidden =
        forward_->run(tokens, segments, [this](int, const numerics::Routing& r) { routing_.push_back(r); });
    logits_ = forward_->logits(hidden.view());
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  void write_results() const {
    std::vector<std::int32_t> experts;
    std::vector<float> weights;
    for (const numerics::Routing& r : routing_) {
      experts.insert(experts.end(), r.experts.begin(), r.experts.end());
      weights.insert(weights.end(), r.weights.begin(), r.weights.end());
    }
    const std::vector<std::int64_t> shape{std::int64_t(routing_.size()), logits_.rows, model_.moe->top_k};
    test::write_safetensors(folder_ + "/results.safetensors",
                            {{"experts", {formats::StoredType::i32, shape, std::as_bytes(std::span(experts))}},
                             {"weights", {formats::StoredType::f32, shape, std::as_bytes(std::span(weights))}},
                             {"logits",
                              {formats::StoredType::f32,
                               {logits_.rows, logits_.columns},
                               std::as_bytes(std::span<const float>(logits_.values))}}});
  }

 private:
  void read_tokens(int sequences, int length) {
    std::string text;
    for (const char* file : {"sim/README.md", "sim/core/config.cpp", "hardware/h800.yaml", "README.md"})
      text += read_file(std::string(SOURCE_DIR "/") + file);
    std::string json = "[";
    for (int s = 0; s < sequences; ++s) {
      std::vector<int>& ids = sequences_.emplace_back();
      const std::size_t from = text.size() / std::size_t(sequences) * std::size_t(s);
      for (std::size_t i = 0; i < std::size_t(length); ++i)
        ids.push_back(static_cast<unsigned char>(text[(from + i) % text.size()]));
      json += fmt::format("{}[{}]", s > 0 ? ", " : "", fmt::join(ids, ", "));
    }
    write_file(folder_ + "/tokens.json", json + "]\n");
  }

  std::string folder_;
  spec::Model model_;
  std::unique_ptr<numerics::SyntheticWeights> weights_;
  std::unique_ptr<numerics::Forward> forward_;
  std::vector<std::vector<int>> sequences_;
  std::vector<numerics::Routing> routing_;
  numerics::Matrix logits_;
};
}  // namespace
}  // namespace moesim::recording

int main(int count, char** words) {
  if (count != 4) {
    std::cerr << "usage: recording_torch_bench FOLDER SEQUENCES LENGTH; lines to read: pass, results\n";
    return 2;
  }
  moesim::recording::Side side(words[1], std::stoi(words[2]), std::stoi(words[3]));
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "results") {
      side.write_results();
      std::cout << "written" << std::endl;
    } else {
      std::cout << side.pass() << std::endl;
    }
  }
}
