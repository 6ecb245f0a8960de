// The kernel's source, built once for each instruction set: edge_kernel_avx512.cc and edge_kernel_avx2.cc
// include it with kLanes and kMostVectors defined. Vectors are the compiler's own; a sum that is carried from
// layer to layer is never rounded but to float32.
//
// Everything has internal linkage and nothing of the standard library is used: code built with one
// processor's instructions must not be shared with the rest of the program.

typedef float Vector __attribute__((vector_size(kLanes * 4)));
typedef std::int32_t Integers __attribute__((vector_size(kLanes * 4)));

#define REELSENSE_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define REELSENSE_UNROLL _Pragma("unroll")
#else
#define REELSENSE_UNROLL _Pragma("GCC unroll 16")
#endif

namespace {

constexpr std::size_t kPaddedBins = kEdgeBins + 4;     // two positions of zeros at either end
constexpr std::size_t kPaddedNear = kEdgeNearOut + 2;  // one

REELSENSE_INLINE Vector all(float value) {
  return Vector{} + value;
}
REELSENSE_INLINE Vector load(const float* from) {
  return *reinterpret_cast<const Vector*>(from);
}
REELSENSE_INLINE void store(float* to, Vector value) {
  *reinterpret_cast<Vector*>(to) = value;
}
REELSENSE_INLINE Vector least(Vector a, Vector b) {
  return a < b ? a : b;
}
REELSENSE_INLINE Vector most(Vector a, Vector b) {
  return a > b ? a : b;
}
REELSENSE_INLINE Vector clamp(Vector value, float low, float high) {
  return least(most(value, all(low)), all(high));
}

// log2 of values ≥ 1; exactly 0 of 1. Polynomial of Cephes' logf (S. L. Moshier), on [√½, √2).
REELSENSE_INLINE Vector log2_of(Vector value) {
  const Integers bits = reinterpret_cast<Integers>(value);
  Integers exponent = (bits >> 23) - 126;
  Vector mantissa = reinterpret_cast<Vector>((bits & 0x007fffff) | 0x3f000000);  // [½, 1)
  const Integers low = mantissa < all(0.707106781186547524F);
  exponent += low;  // −1 where true
  mantissa = (low ? mantissa + mantissa : mantissa) - 1.0F;
  const Vector square = mantissa * mantissa;
  Vector sum = all(7.0376836292e-2F);
  sum = sum * mantissa - 1.1514610310e-1F;
  sum = sum * mantissa + 1.1676998740e-1F;
  sum = sum * mantissa - 1.2420140846e-1F;
  sum = sum * mantissa + 1.4249322787e-1F;
  sum = sum * mantissa - 1.6668057665e-1F;
  sum = sum * mantissa + 2.0000714765e-1F;
  sum = sum * mantissa - 2.4999993993e-1F;
  sum = sum * mantissa + 3.3333331174e-1F;
  const Vector tail = sum * mantissa * square - 0.5F * square;
  const Vector natural = mantissa + tail;
  return natural * 1.44269504088896341F + __builtin_convertvector(exponent, Vector);
}

// e^value, value within ±87. Cephes' expf.
REELSENSE_INLINE Vector exp_of(Vector value) {
  const Vector clamped = clamp(value, -87.0F, 87.0F);
  const Vector scaled = clamped * 1.44269504088896341F;
  const Integers whole = __builtin_convertvector(scaled + (scaled < 0.0F ? all(-0.5F) : all(0.5F)), Integers);
  const Vector power = __builtin_convertvector(whole, Vector);
  const Vector rest = (clamped - power * 0.693359375F) + power * 2.12194440e-4F;
  Vector sum = all(1.9875691500e-4F);
  sum = sum * rest + 1.3981999507e-3F;
  sum = sum * rest + 8.3334519073e-3F;
  sum = sum * rest + 4.1665795894e-2F;
  sum = sum * rest + 1.6666665459e-1F;
  sum = sum * rest + 5.0000001201e-1F;
  sum = sum * rest * rest + rest + 1.0F;
  return sum * reinterpret_cast<Vector>((whole + 127) << 23);
}
REELSENSE_INLINE Vector sigmoid(Vector value) {
  return 1.0F / (1.0F + exp_of(-value));
}
REELSENSE_INLINE Vector tanh_of(Vector value) {
  return 2.0F / (1.0F + exp_of(-2.0F * value)) - 1.0F;
}

// Rows of a block lie one after another, kBlock windows each.
template <std::size_t kVectors>
struct Block {
  static constexpr std::size_t kBlock = kVectors * kLanes;
  using Sums = Vector[kEdgeOutputs][kVectors];

  REELSENSE_INLINE void begin(Sums& sums, const float* bias) {
    REELSENSE_UNROLL
    for (std::size_t o = 0; o < kEdgeOutputs; ++o) {
      REELSENSE_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) sums[o][v] = all(bias[o]);
    }
  }

  // Adds kRows consecutive input rows.
  template <std::size_t kRows>
  REELSENSE_INLINE void add(Sums& sums, const float* in, const float* weights) {
    REELSENSE_UNROLL
    for (std::size_t r = 0; r < kRows; ++r) {
      Vector x[kVectors];
      REELSENSE_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) x[v] = load(in + r * kBlock + v * kLanes);
      REELSENSE_UNROLL
      for (std::size_t o = 0; o < kEdgeOutputs; ++o) {
        const Vector weight = all(weights[r * kEdgeOutputs + o]);
        REELSENSE_UNROLL
        for (std::size_t v = 0; v < kVectors; ++v) sums[o][v] += weight * x[v];
      }
    }
  }
  REELSENSE_INLINE void add_all(Sums& sums, const float* in, std::size_t rows, const float* weights) {
    std::size_t r = 0;
    for (; r + 4 <= rows; r += 4) add<4>(sums, in + r * kBlock, weights + r * kEdgeOutputs);
    for (; r < rows; ++r) add<1>(sums, in + r * kBlock, weights + r * kEdgeOutputs);
  }

  REELSENSE_INLINE void put(const Sums& sums, float* out) {
    REELSENSE_UNROLL
    for (std::size_t o = 0; o < kEdgeOutputs; ++o) {
      REELSENSE_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) store(out + o * kBlock + v * kLanes, sums[o][v]);
    }
  }

  REELSENSE_INLINE void rectify(Sums& sums) {
    REELSENSE_UNROLL
    for (std::size_t o = 0; o < kEdgeOutputs; ++o) {
      REELSENSE_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) sums[o][v] = most(sums[o][v], Vector{});
    }
  }

  // in [inputs, block] → out [outputs, block].
  static void dense(const EdgeLayer& layer, const float* in, std::size_t inputs, bool relu, float* out) {
    for (std::size_t o = 0; o < layer.outputs; o += kEdgeOutputs) {
      Sums sums;
      begin(sums, layer.bias + o);
      add_all(sums, in, inputs, layer.weights + o * inputs);
      if (relu) rectify(sums);
      put(sums, out + o * kBlock);
    }
  }

  // channels [6, 24, block] → near [outputs, 12, block], whose ends stay zeros.
  static void convolve_near(const EdgeLayer& layer, const float* channels, float* near) {
    for (std::size_t o = 0; o < layer.outputs; o += kEdgeOutputs) {
      for (std::size_t p = 0; p < kEdgeNearOut; ++p) {
        Sums sums;
        begin(sums, layer.bias + o);
        const float* const weights = layer.weights + o * kEdgeChannels * kEdgeNearTaps;
        for (std::size_t c = 0; c < kEdgeChannels; ++c) {
          add<kEdgeNearTaps>(sums, channels + (c * kPaddedBins + 2 * p) * kBlock,
                             weights + c * kEdgeNearTaps * kEdgeOutputs);
        }
        rectify(sums);
        REELSENSE_UNROLL
        for (std::size_t i = 0; i < kEdgeOutputs; ++i) {
          float* const to = near + ((o + i) * kPaddedNear + 1 + p) * kBlock;
          REELSENSE_UNROLL
          for (std::size_t v = 0; v < kVectors; ++v) store(to + v * kLanes, sums[i][v]);
        }
      }
    }
  }

  // near [inputs, 12, block] → mean over the positions [outputs, block].
  static void convolve_far(const EdgeLayer& layer, const float* near, std::size_t inputs, float* mean) {
    for (std::size_t o = 0; o < layer.outputs; o += kEdgeOutputs) {
      Sums total = {};
      for (std::size_t p = 0; p < kEdgeFarOut; ++p) {
        Sums sums;
        begin(sums, layer.bias + o);
        const float* const weights = layer.weights + o * inputs * kEdgeFarTaps;
        for (std::size_t c = 0; c < inputs; ++c) {
          add<kEdgeFarTaps>(sums, near + (c * kPaddedNear + 2 * p) * kBlock,
                            weights + c * kEdgeFarTaps * kEdgeOutputs);
        }
        rectify(sums);
        REELSENSE_UNROLL
        for (std::size_t i = 0; i < kEdgeOutputs; ++i) {
          REELSENSE_UNROLL
          for (std::size_t v = 0; v < kVectors; ++v) total[i][v] += sums[i][v];
        }
      }
      REELSENSE_UNROLL
      for (std::size_t i = 0; i < kEdgeOutputs; ++i) {
        REELSENSE_UNROLL
        for (std::size_t v = 0; v < kVectors; ++v) total[i][v] *= 1.0F / kEdgeFarOut;
      }
      put(total, mean + o * kBlock);
    }
  }

  // Bytes in bins [40, block] and the flow's peak before [block] → channels, and the peak after.
  static void see_bins(const float* bins, float* peak, float* channels) {
    const auto row = [&](std::size_t channel, std::size_t position, std::size_t v) {
      return channels + (channel * kPaddedBins + 2 + position) * kBlock + v * kLanes;
    };
    for (std::size_t v = 0; v < kVectors; ++v) {
      Vector raw[2 * kEdgeBins];
      Vector logs[2 * kEdgeBins];
      Vector top[2] = {};
      Vector top_log[2] = {};
      for (std::size_t i = 0; i < 2 * kEdgeBins; ++i) {
        raw[i] = most(load(bins + i * kBlock + v * kLanes), Vector{});
        logs[i] = log2_of(1.0F + raw[i]);
        top[i / kEdgeBins] = most(top[i / kEdgeBins], raw[i]);
        top_log[i / kEdgeBins] = most(top_log[i / kEdgeBins], logs[i]);
      }
      const Vector highest = most(load(peak + v * kLanes), top_log[0]);
      store(peak + v * kLanes, highest);
      const Vector share[2] = {1.0F / (1.0F + top[0]), 1.0F / (1.0F + top[1])};
      const auto octaves = [](Vector log, Vector under) {
        const Vector value = clamp(1.0F + (log - under) * 0.1F, 0.0F, 1.0F);
        return log > 0.0F ? value : Vector{};
      };
      for (std::size_t i = 0; i < kEdgeBins; ++i) {
        const Vector down = logs[i];
        const Vector up = logs[kEdgeBins + i];
        store(row(0, i, v), raw[i] * share[0]);
        store(row(1, i, v), raw[kEdgeBins + i] * share[1]);
        store(row(2, i, v), octaves(down, top_log[0]));
        store(row(3, i, v), octaves(up, top_log[1]));
        store(row(4, i, v), octaves(down, highest));
        store(row(5, i, v), clamp((up - down) * 0.1F, -1.0F, 1.0F));
      }
    }
  }

  // One second of a member's GRU. joint [dense, second, hidden; block]: the hidden rows are replaced.
  static void advance(const EdgeMember& member, const EdgeShape& shape, float* joint, float* gates) {
    float* const hidden = joint + shape.encoded() * kBlock;
    float* const given = gates + 2 * shape.hidden * kBlock;
    float* const carried = given + shape.hidden * kBlock;
    dense(member.gates, joint, shape.joint(), false, gates);
    dense(member.fresh_given, joint, shape.encoded(), false, given);
    dense(member.fresh_carried, hidden, shape.hidden, false, carried);
    for (std::size_t at = 0; at < shape.hidden * kBlock; at += kLanes) {
      const Vector reset = sigmoid(load(gates + at));
      const Vector update = sigmoid(load(gates + shape.hidden * kBlock + at));
      const Vector fresh = tanh_of(load(given + at) + reset * load(carried + at));
      store(hidden + at, fresh + update * (load(hidden + at) - fresh));
    }
  }

  // Adds a member's logit [block].
  static void vote(const float* head, std::size_t joint_rows, const float* joint, float* logit) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      Vector sums[4] = {};
      const float* in = joint + v * kLanes;
      for (std::size_t r = 0; r < joint_rows; ++r, in += kBlock) sums[r % 4] += head[r] * load(in);
      const Vector sum = (sums[0] + sums[1]) + (sums[2] + sums[3]) + head[joint_rows];
      store(logit + v * kLanes, load(logit + v * kLanes) + sum);
    }
  }

  static void run(const EdgePlan& plan, float* scratch, const float* windows, const float* states,
                  const float* forest, std::size_t n, float* probabilities, float* next_states) {
    const EdgeShape& shape = plan.shape;
    const std::size_t joint_rows = shape.joint();
    float* const features = scratch;
    float* const bins = features + shape.features * kBlock;
    float* const peak = bins + 2 * kEdgeBins * kBlock;
    float* const channels = peak + kBlock;
    float* const near = channels + kEdgeChannels * kPaddedBins * kBlock;
    float* const joint = near + shape.first * kPaddedNear * kBlock;
    float* const gates = joint + shape.members * joint_rows * kBlock;
    float* const logit = gates + 4 * shape.hidden * kBlock;

    // Lanes without a window keep what they had: finite, and of no effect on others.
    for (std::size_t lane = 0; lane < n; ++lane) {
      const float* const window = windows + lane * plan.width;
      const float* const state = states + lane * shape.state();
      const float* const bytes = window + plan.width - 2 * kEdgeBins;
      for (std::size_t i = 0; i < shape.features; ++i) features[i * kBlock + lane] = window[plan.index[i]];
      for (std::size_t i = 0; i < 2 * kEdgeBins; ++i) bins[i * kBlock + lane] = bytes[i];
      for (std::size_t m = 0; m < shape.members; ++m) {
        float* const hidden = joint + (m * joint_rows + shape.encoded()) * kBlock + lane;
        for (std::size_t h = 0; h < shape.hidden; ++h) hidden[h * kBlock] = state[m * shape.hidden + h];
      }
      peak[lane] = state[shape.members * shape.hidden];
    }
    for (std::size_t i = 0; i < shape.features; ++i) {
      for (std::size_t at = i * kBlock; at < (i + 1) * kBlock; at += kLanes) {
        const Vector scaled = (load(features + at) - plan.mean[i]) * plan.scale[i];
        store(features + at, clamp(scaled, -plan.limit, plan.limit));
      }
    }
    see_bins(bins, peak, channels);
    for (std::size_t v = 0; v < kVectors; ++v) store(logit + v * kLanes, Vector{});
    for (std::size_t m = 0; m < shape.members; ++m) {
      const EdgeMember& member = plan.members[m];
      float* const own = joint + m * joint_rows * kBlock;
      dense(member.dense, features, shape.features, true, own);
      convolve_near(member.near, channels, near);
      convolve_far(member.far, near, shape.first, own + shape.dense * kBlock);
      advance(member, shape, own, gates);
      vote(member.head, joint_rows, own, logit);
    }
    for (std::size_t lane = 0; lane < n; ++lane) {
      float* const next = next_states + lane * shape.state();
      for (std::size_t m = 0; m < shape.members; ++m) {
        const float* const hidden = joint + (m * joint_rows + shape.encoded()) * kBlock + lane;
        for (std::size_t h = 0; h < shape.hidden; ++h) next[m * shape.hidden + h] = hidden[h * kBlock];
      }
      next[shape.members * shape.hidden] = peak[lane];
      gates[lane] = plan.forest_voice * forest[lane];
    }
    const float share = 1.0F / static_cast<float>(shape.members);
    for (std::size_t at = 0; at < kBlock; at += kLanes) {
      const Vector sum = load(logit + at) * share + load(gates + at);
      store(logit + at, sigmoid(plan.slope * sum + plan.offset));
    }
    for (std::size_t lane = 0; lane < n; ++lane) probabilities[lane] = logit[lane];
  }
};

// Each block size has a part of the scratch of its own: their rows lie at other places.
void run_block(const EdgePlan& plan, float* scratch, const float* windows, const float* states,
               const float* forest, std::size_t n, float* probabilities, float* next_states) {
  if (n <= kLanes) {
    float* const own = scratch + edge_scratch_floats(plan.shape) / 2;
    Block<1>::run(plan, own, windows, states, forest, n, probabilities, next_states);
  } else {
    Block<kMostVectors>::run(plan, scratch, windows, states, forest, n, probabilities, next_states);
  }
}

}  // namespace

#undef REELSENSE_INLINE
#undef REELSENSE_UNROLL
