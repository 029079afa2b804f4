// ShareGPT conversations: texts without times; tokens are estimated from characters, sessions start at random.
#include <fmt/format.h>

#include <cmath>
#include <map>

#include "formats/json.h"
#include "serving/traces/recorded.h"

namespace moesim::serving {
namespace {
constexpr double kMostOfConversation = 1e9;  // tokens

class ShareGpt final : public Workload {
 public:
  struct Params {
    DataFile file;
    double rate = 0;
    Time pause = 10_s;
    double tokens_per_character = 0.25;
    int hash_block = 64;
    std::int64_t limit = 0;
    static void fields(auto& f, auto& p) {
      f.required("file", p.file, "a JSON list of conversations");
      f.required("rate", p.rate, "conversations a second (Poisson)");
      f("pause", p.pause, "mean time from an answer to the next question (exponential)");
      f("tokens_per_character", p.tokens_per_character, "English text; the file holds no tokens");
      f("hash_block", p.hash_block, "tokens of a prefix block");
      f("limit", p.limit, "stop after so many conversations; 0 means no limit");
    }
  };
  ShareGpt(const Params& p, const WorkloadContext& c)
      : p_(p),
        context_(c),
        thinning_(c.shares, c.seed),
        times_(c.seed, "workload times"),
        talks_(c.seed, "workload sessions"),
        sessions_(p.hash_block) {
    if (!(p.rate > 0)) throw ConfigError("rate", "must be above 0");
    if (!(p.tokens_per_character > 0)) throw ConfigError("tokens_per_character", "must be above 0");
    if (p.hash_block < 1) throw ConfigError("hash_block", "must be above 0");
    read(p.file.path);
  }
  int hash_block() const override { return p_.hash_block; }

  std::optional<Request> next() override {
    std::vector<Turn> turns;
    Request out;
    do {
      if (given_ == talks_list_.size() || (p_.limit > 0 && std::int64_t(given_) == p_.limit)) return std::nullopt;
      turns = std::move(talks_list_[given_++]);
      now_ += times_.exponential(1 / p_.rate);
      out.arrival = from_seconds(now_);
      if (out.arrival > context_.duration) {
        cut_off_ = true;
        return std::nullopt;
      }
    } while (!thinning_.take(out));
    out.row = rows_[given_ - 1];
    out.input = turns[0].input;
    out.output = out.outside ? 1 : turns[0].output;
    if (out.outside) turns.resize(1);
    const Sessions::Text text{.key = std::uint64_t(out.row) << 20, .shared_key = 0, .shared = 0};
    turns.erase(turns.begin());
    for (Turn& turn : turns) turn.pause = from_seconds(talks_.exponential(1) * seconds(p_.pause));
    if (!turns.empty()) out.session = out.row;
    sessions_.hash(out, text, out.input + (turns.empty() ? 0 : out.output));
    sessions_.open(out.row, text, std::move(turns));
    return out;
  }
  std::optional<Request> follow_up(const Request& done, Time end) override {
    std::int64_t row = done.row - 1;  // a conversation is one element of the list
    std::optional<Request> out = sessions_.follow(done, end, row);
    if (out && out->arrival > context_.duration) {
      dropped_["later turns that would come after the duration"] += 1 + sessions_.close(out->session);
      out.reset();
    }
    return out;
  }
  std::optional<Request> refused(const Request& done, Time) override {
    if (const std::int64_t lost = sessions_.close(done.session); lost > 0)
      dropped_["later turns of conversations of which one was rejected"] += lost;
    return std::nullopt;
  }
  bool cut_off() const override { return cut_off_; }
  std::map<std::string, std::int64_t> dropped() const override { return dropped_; }
  std::int64_t expected() const override { return std::int64_t(talks_list_.size()); }

 private:
  double tokens(const std::string& text) const {
    return std::max(1.0, std::ceil(double(text.size()) * p_.tokens_per_character));
  }
  /// Conversations without a question that is answered are left out, as there is nothing to serve.
  void read(const std::string& file) {
    const formats::JsonValue all = formats::read_json(file);
    if (!all.is_array()) throw ConfigError::placed(fmt::format("{}: expected a JSON list", file));
    for (std::size_t i = 0; i < all.size(); ++i) {
      std::vector<Turn> turns = turns_of({all[i], fmt::format("{}: conversation {}", file, i + 1)});
      if (turns.empty()) {
        ++dropped_["conversations without an answered question"];
        continue;
      }
      talks_list_.push_back(std::move(turns));
      rows_.push_back(std::int64_t(i) + 1);
    }
  }
  std::vector<Turn> turns_of(const formats::JsonObject& conversation) const {
    double total = 0;
    bool asked = false;
    std::vector<Turn> out;
    for (const formats::JsonValue& element : conversation.list_at("conversations")) {
      const formats::JsonObject message(element, conversation.where());
      const double length = tokens(message.text("value"));
      if (total + length > kMostOfConversation) conversation.fail("has more than 10^9 tokens");
      const std::string from = message.text("from");
      const bool answer = from == "gpt" || from == "assistant";
      if (answer && asked) out.push_back({.input = int(total), .output = int(length), .pause = {}});
      asked = !answer;
      total += length;
    }
    return out;
  }

  Params p_;
  WorkloadContext context_;
  Thinning thinning_;
  Random times_, talks_;
  Sessions sessions_;
  std::vector<std::vector<Turn>> talks_list_;
  std::vector<std::int64_t> rows_;
  std::map<std::string, std::int64_t> dropped_;
  std::size_t given_ = 0;
  bool cut_off_ = false;
  double now_ = 0;
};
}  // namespace

Strategy<Workload, const WorkloadContext&> sharegpt() {
  return workload_kind<ShareGpt>("sharegpt",
                                 "ShareGPT conversations with Poisson starts, lengths estimated from the text");
}
}  // namespace moesim::serving
