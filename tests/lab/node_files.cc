// See node_files.h.
// Apache is set up to start and answer fast, and to listen on every address, the VIP included,
// before the VIP is there: as a floating address needs it.
#include "tests/lab/node_files.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/lab/lab.h"

namespace hb::lab {
namespace {

constexpr char kApacheConfig[] = R"(ServerName @name@
ServerRoot /etc/hb-lab
DefaultRuntimeDir /run
PidFile /run/hb-lab-apache2.pid
ErrorLog /var/log/hb-lab-apache2.log
Listen 0.0.0.0:80
Listen [::]:80
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
User www-data
Group www-data
StartServers 1
ServerLimit 4
ThreadsPerChild 64
ThreadLimit 64
MaxRequestWorkers 256
MinSpareThreads 32
MaxSpareThreads 256
GracefulShutdownTimeout 5
KeepAlive On
DocumentRoot /etc/hb-lab/www
DirectoryIndex index.html
Header always set X-Served-By "@name@"
<Directory /etc/hb-lab/www>
  Require all granted
</Directory>
)";

constexpr char kPage[] = "<html><body><p>This page is served by @name@.</p></body></html>\n";

}  // namespace

std::vector<std::string> ApacheArgv() {
  return {"/usr/sbin/apache2", "-DFOREGROUND", "-f", "/etc/hb-lab/apache2.conf"};
}

absl::Status ConfigureNetwork(Host& host) {
  const HostSpec& spec = host.spec();
  const bool is_gateway = spec.name == "gateway";
  std::string commands =
      absl::StrCat("link set dev lo up\naddr flush dev eth0\nlink set dev eth0 up\naddr add ",
                   spec.address.ToString(), "/24 brd 192.168.0.255 dev eth0\naddr add ",
                   spec.address6.ToString(), "/64 dev eth0 nodad\n");
  if (!is_gateway) {
    absl::StrAppend(&commands, "route replace default via 192.168.0.254\n",
                    "route replace default via fd00:68:62::254\n");
  }
  // One connection after another must not run out of ports on the client.
  if (spec.name == "client") {
    if (absl::Status set = host.RunOk({"sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65535"});
        !set.ok()) {
      return set;
    }
  }
  return host.RunOk({"ip", "-batch", "-"}, absl::Seconds(20), commands);
}

absl::Status WriteNodeFiles(Host& node) {
  const auto fill = [&](const char* text) {
    return absl::StrReplaceAll(text, {{"@name@", node.name()}});
  };
  if (absl::Status config = node.WriteFile("/etc/hb-lab/apache2.conf", fill(kApacheConfig));
      !config.ok()) {
    return config;
  }
  return node.WriteFile("/etc/hb-lab/www/index.html", fill(kPage));
}

}  // namespace hb::lab
