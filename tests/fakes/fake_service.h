// A Service that a test moves through its states by hand; Start and Stop go into a journal.
#ifndef HB_TESTS_FAKES_FAKE_SERVICE_H_
#define HB_TESTS_FAKES_FAKE_SERVICE_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "executor/host/service/service.h"

namespace hb::executor {

class FakeService : public Service {
 public:
  FakeService(std::string name, std::vector<std::string>* journal)
      : name_(std::move(name)), journal_(journal) {}

  void Start() override {
    journal_->push_back("start " + name_);
    if (status_.state != ServiceStatus::State::kRunning) {
      status_ = {ServiceStatus::State::kStarting, ""};
    }
  }
  void Stop() override {
    journal_->push_back("stop " + name_);
    status_ = {ServiceStatus::State::kStopping, ""};
  }
  const ServiceStatus& status() const override { return status_; }
  void OnChange(std::function<void()> changed) override { changed_ = std::move(changed); }

  // What a test does to it.
  void Become(ServiceStatus::State state, std::string detail = "") {
    status_ = {state, std::move(detail)};
    changed_();
  }

 private:
  const std::string name_;
  std::vector<std::string>* const journal_;
  ServiceStatus status_;
  std::function<void()> changed_;
};

}  // namespace hb::executor

#endif  // HB_TESTS_FAKES_FAKE_SERVICE_H_
