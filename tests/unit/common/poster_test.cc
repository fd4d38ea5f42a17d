// The way into the loop for what may outlive it: in order while it is open, nothing once it is
// closed, and nothing kept.
#include "common/poster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace hb {
namespace {

using ::testing::ElementsAre;

class PosterTest : public ::testing::Test {
 protected:
  void RunReady() {
    while (loop_->RunOnce(absl::ZeroDuration())) {
    }
  }

  std::unique_ptr<EventLoop> loop_ = EventLoop::Create().value();
  std::shared_ptr<Poster> poster_ = std::make_shared<Poster>(loop_.get());
  std::vector<int> seen_;
};

TEST_F(PosterTest, RunsFunctionsInTheOrderOfPostingWhoeverPosts) {
  const auto other = std::make_shared<Poster>(loop_.get());
  poster_->Post([this] { seen_.push_back(0); });
  other->Post([this] { seen_.push_back(1); });
  loop_->Post([this] { seen_.push_back(2); });
  poster_->Post([this] { seen_.push_back(3); });
  RunReady();
  EXPECT_THAT(seen_, ElementsAre(0, 1, 2, 3));
}

TEST_F(PosterTest, CloseDestroysWhatWaits) {
  const auto owned = std::make_shared<int>();
  poster_->Post([this, owned] { seen_.push_back(0); });
  poster_->Close();
  EXPECT_EQ(owned.use_count(), 1);
  poster_->Post([this, owned] { seen_.push_back(1); });
  EXPECT_EQ(owned.use_count(), 1);
  RunReady();
  EXPECT_THAT(seen_, ElementsAre());
}

TEST_F(PosterTest, ClosesFromAFunctionOfItsOwn) {
  poster_->Post([this] {
    seen_.push_back(0);
    poster_->Close();
  });
  poster_->Post([this] { seen_.push_back(1); });
  RunReady();
  EXPECT_THAT(seen_, ElementsAre(0));
}

}  // namespace
}  // namespace hb
