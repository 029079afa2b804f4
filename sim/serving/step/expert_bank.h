// The routed experts of every layer: dispatch, expert products and combine, drawn from the routing and kept.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "compute/kernels/kernel_model.h"
#include "compute/layers/inventory.h"
#include "core/random.h"
#include "exchange/fan_out.h"
#include "network/exchanges/exchange.h"
#include "routing/traffic.h"
#include "serving/step/draw_store.h"
#include "serving/step/port_use.h"
#include "serving/step/recorded_loads.h"
#include "spec/model.h"

namespace moesim::serving {

/// How the layers are drawn.  A step's layer time is taken from one of `samples` draws of that layer, between draws for
/// token counts `ratio` apart; draws are made when first needed.
struct BankSettings {
  std::optional<int> samples;  // kSamples; where draws are made anew because the law asks for it, kMovingSamples
  double ratio = 1.25;
  bool noise = true;                   // tokens choose by chance; false: exactly the shares
  std::optional<std::int64_t> redraw;  // as long as the law's shares last
  int every = 1;
  static constexpr int kSamples = 16, kMovingSamples = 4;  // new ones come before these repeat as often
  static void fields(auto& f, auto& p) {
    f("samples", p.samples,
      "draws kept for each layer and token count; a step takes one of them; default 16, or 4 where the law moves and "
      "redraw is not given");
    f("ratio", p.ratio, "between the token counts of neighbouring draws; steps between are interpolated");
    f("noise", p.noise, "tokens choose their experts by chance; false: exactly in proportion to the loads");
    f("redraw", p.redraw,
      "steps after which all draws are made anew, for routing that drifts; 0 means never; default: as its law moves "
      "(of grouped, a quarter of drift)");
    f("every", p.every, "draws of every n-th MoE layer stand for the next ones too; faster, and less alike");
  }
};

/// What a layer's experts cost in one step.
struct ExpertTimes {
  double dispatch = 0;      ///< s, until the GPU that ends last has its rows
  double experts = 0;       ///< s, its products
  double combine = 0;       ///< s, until every GPU has its results
  double mean_experts = 0;  ///< s, mean over GPUs
  double above = 0;         ///< energy of the mean GPU's products: PartCosts::take_above()
  double balancedness = 1;  ///< mean over max rows of a GPU
};

class ExpertBank {
 public:
  struct Setup {
    const spec::Model* model = nullptr;
    compute::KernelCosts* kernels = nullptr;
    compute::LayerOptions options;
    bool any_layout = false;                        ///< of products: each picks its kernel by its rows
    compute::GpuShare share;                        ///< of a GPU while experts compute
    const network::ExchangeGroup* group = nullptr;  ///< null if the experts live on one GPU: no exchange
    int gpus = 1, gpus_per_node = 8;
    network::NetworkCalibration calibration;
    network::ExchangeSpec dispatch, combine;
    std::vector<int> layers;                ///< model numbers of the MoE layers
    std::vector<exchange::ExpertMap> maps;  ///< one each
    bool level_copies = false;              ///< copies take what levels the GPUs (exchange/copy_shares.h); else even
    Time solve_time{};                      ///< then: before each dispatch, in layers with copies
    std::vector<std::vector<double>> copy_shares;  ///< (layers, slots): fixed, whatever comes; empty: as level_copies
    /// Sources of routing: [0] prefill, [1] decode, or two for each domain.
    std::vector<const routing::TrafficSource*> sources;
    /// What the tokens of the workload's requests chose; not null: a step's loads are theirs, and of
    /// `sources` only where a step is of no requests in particular.
    std::shared_ptr<const routing::RequestRouting> own_routing;
    BankSettings settings;
    std::uint64_t seed = 0;
    DrawStore* draws = nullptr;  ///< known ones are taken from there, new ones added; they outlive the bank
    ProductStore* products = nullptr;
  };
  explicit ExpertBank(Setup setup);

  /// Whose tokens the calls of times() from now on are for; without effect unless routing is the requests' own.
  void begin(std::span<const RecordedTokens> tokens);
  /// tokens: of the whole group; most: of the fullest GPU.  weights: share of the tokens from each source (sums to 1);
  /// rounded to quarters for the draws.  repeats: how often the layer runs like this.  Where routing is the requests'
  /// own, exactly the step's loads are priced, of which micro-batches have parts in proportion to their tokens.
  ExpertTimes times(std::size_t ordinal, std::int64_t step, int micro, double tokens, double most,
                    std::span<const double> weights, double repeats = 1);
  /// The same without memory: a draw at exactly these tokens.
  ExpertTimes draw(std::size_t ordinal, std::int64_t step, double tokens, double most, std::span<const double> weights);

  /// Mean load of each expert as the policies see it: (layers, experts), over `steps` draws from `step` on; of the
  /// requests' own routing, that of the steps since the last look.
  std::vector<double> loads(std::int64_t step, int steps, std::span<const double> weights) const;
  void look();
  const std::vector<exchange::ExpertMap>& maps() const { return s_.maps; }
  /// shares: of its expert's rows that each slot takes, where shares are fixed; without, copies share evenly.
  void set_map(std::size_t ordinal, exchange::ExpertMap map, std::vector<double> shares = {});
  /// Experts that no token is sent to any more; its other experts take their place.
  void mask(std::size_t ordinal, std::vector<int> experts);
  std::size_t layers() const { return s_.layers.size(); }
  const Setup& setup() const { return s_; }

  /// Seconds before a dispatch of this layer in which all share out its rows; part of ExpertTimes::dispatch, but no
  /// port is used.
  double solving(std::size_t ordinal) const;
  void slow_gpu(int gpu, double share);
  void slow_link(int gpu, double share);
  /// In the calls of times() from now on these ports keep only a share of their rate for the exchanges.  All of an
  /// exchange counts as the port's: the most that it can lose.
  void sharing(std::span<const PortUse::Left> ports);
  /// The step whose routing stands for that of `step`: draws are of `samples` steps until they are made anew.
  std::int64_t drawn(std::int64_t step) const {
    const std::int64_t first = redraw_ > 0 ? step / redraw_ * redraw_ : 0;
    return first + step % samples_;
  }

  /// Steps after which draws are made anew, 0 for never; and for which the routing's law stays alike, 0 for ever.
  std::int64_t redraw() const { return redraw_; }
  std::int64_t law_lasts() const { return law_lasts_; }

  /// Seconds each GPU computed experts, summed over all calls of times().
  const std::vector<double>& gpu_seconds();
  /// Adds up what the exchanges of MoE layers [first, last) moved in calls of times() since the last take_exchanged(),
  /// and forgets it: tokens, rows and reach by GPU and node; slot rows stay empty.
  exchange::ExchangeSums take_exchanged(std::size_t first, std::size_t last);
  /// Rows of each expert, (layers, experts), expected over all calls.
  std::vector<double> expert_rows();

 private:
  struct Entry {
    bool ready = false;
    double used = 0;  // times it was looked up, by weight, since it was settled
    double balancedness = 1, mean = 0, above = 0;
    ExpertTimes healthy;                                 // its summary with no slow GPU or link
    double uniform_dispatch = -1, uniform_combine = -1;  // balanced routing at this token count; -1: not asked yet
    struct Gpu {
      float arrival, compute, combine;  // s
    };
    std::vector<Gpu> gpus;
    std::vector<float> moved;  // by an exchange: rows (gpus), distinct tokens (gpus), of nodes (nodes); tokens; 1
  };
  struct Mix {
    std::uint32_t id = 0;
    std::array<double, 16> weights{};
  };
  /// The mix of sources that stands for these weights.
  static Mix rounded(std::span<const double> weights);
  const Mix& mix_of(std::span<const double> weights);  // the same; of one step, weights come layer after layer
  /// Which draw a layer takes this step: a hash, so that steps are independent and runs repeat.
  int sample_of(std::size_t ordinal, std::int64_t step, int micro) const;
  Entry& entry(std::size_t ordinal, int sample, int bucket, std::uint32_t mix, std::span<const double> weights);
  void fill(Entry& out, std::size_t ordinal, std::int64_t step, double tokens, std::span<const double> weights,
            std::uint64_t stream);
  void draw_shares(std::size_t ordinal, double rows, std::uint64_t stream);  // from expected ones, in shares_
  void add_uniform(Entry& out, std::size_t ordinal, double tokens);
  void price(Entry& out, std::size_t ordinal, double tokens);  // rows as in shares_
  static NumbersKey products_like(const Setup& setup);
  void price_products(Entry& out, int slots_per_gpu);  // of the rows in sums_
  void drop_masked(std::size_t ordinal, std::vector<double>& load) const;
  ExpertTimes times_as_recorded(std::size_t ordinal, double tokens, double most, double repeats);
  std::size_t bucket_of(double tokens) const;
  void sum_rows(std::size_t ordinal, double tokens);  // sums_, of shares_ as rows
  void settle(std::vector<Entry>& layer, std::size_t ordinal);
  void settle();
  void sum_seen();
  void follow(std::int64_t step);
  void book(const Entry& e, std::size_t ordinal, double used);
  void shares(std::size_t ordinal, std::int64_t step, std::span<const double> weights, std::vector<double>& out) const;
  void exchange(const exchange::ExchangeSums& sums, Entry& out);
  double compute_time(std::span<const double> slot_rows, int slots_per_gpu, int gpu, double& above);
  ExpertTimes summary(const Entry& e) const;
  ExpertTimes times_of(const Entry& e) const;

  Setup s_;
  NumbersKey products_like_;  // how products are computed, of what differs between pools on one kind of GPU
  routing::GateShape gate_;
  spec::GroupShape shape_;
  std::vector<exchange::CopyTable> copies_;
  std::unique_ptr<network::ExchangeTimes> dispatch_, combine_;
  std::vector<std::vector<std::vector<Entry>>> bank_;  // [mix][ordinal][sample * buckets + bucket]
  std::vector<std::uint32_t> mixes_;
  int buckets_ = 0, samples_ = 0;
  std::int64_t redraw_ = 0, law_lasts_ = 0;
  std::vector<double> bucket_tokens_;  // token counts that draws are made at
  std::int64_t epoch_ = 0;
  std::vector<std::vector<int>> masked_;  // by layer; empty: none
  std::vector<double> slow_gpu_, slow_link_;
  bool any_slow_ = false;
  struct Sharing {
    std::size_t gpu;
    float link, compute;  // how many times longer its exchanges and products take
  };
  std::vector<Sharing> sharing_;
  std::vector<double> gpu_seconds_;
  std::vector<double> tokens_seen_, rows_seen_;  // of each source since the last redraw; (layers, experts) up to it
  std::vector<std::vector<double>> moved_;       // by layer, as Entry::moved
  struct AsRecorded {
    Entry entry;
    double tokens = -1;                            // that it was priced at, in this step; -1: not yet
    std::vector<std::array<double, 2>> uniform{};  // by bucket: dispatch and combine of balanced routing; -1: not known
  };
  std::optional<RecordedLoads> recorded_;
  std::vector<AsRecorded> as_recorded_;  // by layer
  // Scratch.
  std::vector<double> mixed_;  // weights that mix_ is of
  Mix mix_;
  exchange::ExchangeSums sums_;
  std::vector<double> shares_, uniform_;
  std::vector<Time> times_;
  std::vector<std::int64_t> rows_;
  std::vector<compute::Operation> operations_;
};
}  // namespace moesim::serving
