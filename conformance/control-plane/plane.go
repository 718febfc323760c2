package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/klog/v2"

	"bowline/conformance/control-plane/nodes"
)

const (
	// readyDeadline is for a crowded CI machine; an idle one needs four seconds.
	readyDeadline = 2 * time.Minute
	pollEvery     = 50 * time.Millisecond

	// advertisedAddress is never dialled (RFC 5737 keeps it for documentation). The
	// API server insists on an address that is not loopback, and a machine without
	// a default route offers it none.
	advertisedAddress = "192.0.2.1"
)

// ready is the line that tells the parent where the control plane is.
type ready struct {
	Kubeconfig string         `json:"kubeconfig"`
	Server     string         `json:"server"`
	Token      string         `json:"token"`
	Dir        string         `json:"dir"`
	Pid        map[string]int `json:"pid"`
}

// plane is one control plane and the directory it lives in.
// profile is how far the plane departs from what the stories need: as little as possible runs, as much as possible is admitted as by default.
type profile struct {
	housekeeping    bool
	serviceAccounts bool
}

type plane struct {
	dir        string
	profile    profile
	end        context.CancelCauseFunc
	token      string
	kubeconfig string
	config     *rest.Config
	client     kubernetes.Interface

	etcdPort, peerPort, apiPort  int
	etcd, apiServer, controllers *child
	kubelets                     *nodes.Kubelets
	stopKubelets                 func()
}

// newPlane writes the files the children read; it starts nothing.
func newPlane(dir string, profile profile, end context.CancelCauseFunc) (*plane, error) {
	p := &plane{dir: dir, profile: profile, end: end, token: rand.Text(), stopKubelets: func() {}}
	for _, port := range []*int{&p.etcdPort, &p.peerPort, &p.apiPort} {
		var err error
		if *port, err = reservePort(); err != nil {
			return nil, err
		}
	}
	if err := p.writeFiles(); err != nil {
		return nil, err
	}
	var err error
	if p.config, err = clientcmd.BuildConfigFromFlags("", p.kubeconfig); err != nil {
		return nil, err
	}
	p.config.QPS = -1 // No throttle: benches create pods by the thousand.
	if p.client, err = kubernetes.NewForConfig(p.config); err != nil {
		return nil, err
	}
	return p, p.redirectClientLog()
}

func (p *plane) path(name string) string { return filepath.Join(p.dir, name) }

func (p *plane) server() string { return fmt.Sprintf("https://127.0.0.1:%d", p.apiPort) }

func (p *plane) writeFiles() error {
	ca, err := p.writeCertificates()
	if err != nil {
		return err
	}
	if err := p.writeClientAuthority(); err != nil {
		return err
	}
	if err := p.keepOrMakeServiceAccountKey(); err != nil {
		return err
	}
	tokens := p.token + `,admin,admin,"system:masters"` + "\n"
	if err := os.WriteFile(p.path("tokens.csv"), []byte(tokens), 0o600); err != nil {
		return err
	}
	return p.writeKubeconfig(ca)
}

// writeCertificates returns the authority that signed the server's certificate.
func (p *plane) writeCertificates() ([]byte, error) {
	names := []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	chain, key, err := cert.GenerateSelfSignedCertKey("127.0.0.1", nil, names)
	if err != nil {
		return nil, err
	}
	// The chain is the server's certificate, then its authority's. Clients that are
	// strict about roots, rustls among them, want the second alone.
	_, authority := pem.Decode(chain)
	return authority, errors.Join(
		os.WriteFile(p.path("server.crt"), chain, 0o600),
		os.WriteFile(p.path("server.key"), key, 0o600),
		os.WriteFile(p.path("ca.crt"), authority, 0o600),
	)
}

// writeClientAuthority makes the authority that signs what CertificateSigningRequests ask for.
func (p *plane) writeClientAuthority() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	authority, err := cert.NewSelfSignedCACert(cert.Config{CommonName: "clients"}, key)
	if err != nil {
		return err
	}
	keyPEM, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: cert.CertificateBlockType, Bytes: authority.Raw})
	return errors.Join(
		os.WriteFile(p.path("clients-ca.crt"), certPEM, 0o600),
		os.WriteFile(p.path("clients-ca.key"), keyPEM, 0o600),
	)
}

// keepOrMakeServiceAccountKey keeps the key of a named directory: stored tokens are signed with it.
func (p *plane) keepOrMakeServiceAccountKey() error {
	_, err := os.Stat(p.path("service-accounts.key"))
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	key, err := keyutil.MakeEllipticPrivateKeyPEM()
	if err != nil {
		return err
	}
	return os.WriteFile(p.path("service-accounts.key"), key, 0o600)
}

func (p *plane) writeKubeconfig(ca []byte) error {
	const name = "conformance"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: p.server(), CertificateAuthorityData: ca}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: p.token}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	p.kubeconfig = p.path("kubeconfig")
	return clientcmd.WriteToFile(*config, p.kubeconfig)
}

// redirectClientLog keeps standard error for the one error that ends the supervisor.
func (p *plane) redirectClientLog() error {
	log, err := os.OpenFile(p.path("nodes.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	klog.LogToStderr(false)
	klog.SetOutput(log)
	return nil
}

// start returns when a test may begin: the API answers, the default namespace
// has its service account, and the nodes are there.
func (p *plane) start(ctx context.Context, nodeCount int) (err error) {
	if p.etcd, err = startChild(p.dir, "etcd", p.etcdArgs(), p.end); err != nil {
		return err
	}
	if err := p.startAPIServer(ctx); err != nil {
		return err
	}
	if err := nodes.Register(ctx, p.client, nodeCount); err != nil {
		return err
	}
	if nodeCount > 0 {
		if p.kubelets, err = nodes.New(p.config); err != nil {
			return err
		}
		p.runKubelets(ctx)
	}
	return p.await(ctx, p.controllers, "the default service account", func(ctx context.Context) error {
		_, err := p.client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

// startAPIServer starts the server, waits until it is ready, and starts those
// that work through it. It does nothing when the server runs already.
func (p *plane) startAPIServer(ctx context.Context) (err error) {
	if p.apiServer != nil {
		return nil
	}
	p.apiServer, err = startChild(p.dir, "kube-apiserver", p.apiServerArgs(), p.end)
	if err != nil {
		return err
	}
	err = p.await(ctx, p.apiServer, "/readyz", func(ctx context.Context) error {
		return p.client.CoreV1().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
	if err != nil {
		return err
	}
	p.controllers, err = startChild(p.dir, "kube-controller-manager", p.controllerArgs(), p.end)
	p.runKubelets(ctx)
	return err
}

// stopAPIServer takes the server away, and the controllers with it. A real
// controller manager that loses its lease ends too; one left running would sit
// out a back-off of up to a minute after the server is back.
func (p *plane) stopAPIServer() {
	p.stopKubelets()
	p.controllers.stop()
	p.apiServer.stop()
	p.controllers, p.apiServer = nil, nil
}

// runKubelets begins with fresh watches, for the reason the controllers do.
func (p *plane) runKubelets(ctx context.Context) {
	if p.kubelets == nil {
		return
	}
	p.stopKubelets()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.kubelets.Run(ctx)
	}()
	p.stopKubelets = func() {
		cancel()
		<-done
	}
}

// stop ends the children, last started first, so that none complains of another's absence.
func (p *plane) stop() {
	p.stopAPIServer()
	p.etcd.stop()
}

func (p *plane) ready() ready {
	pid := map[string]int{}
	for _, c := range []*child{p.etcd, p.apiServer, p.controllers} {
		pid[c.name] = c.process.Pid
	}
	return ready{Kubeconfig: p.kubeconfig, Server: p.server(), Token: p.token, Dir: p.dir, Pid: pid}
}

// await tries `try` until it succeeds. `owner` is the child that should make it
// succeed: its log explains a missed deadline.
func (p *plane) await(ctx context.Context, owner *child, what string, try func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, readyDeadline)
	defer cancel()
	for {
		err := try(limited)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-limited.Done():
			return fmt.Errorf("no answer from %s in %s: %w\n%s", what, readyDeadline, err, owner.tail())
		case <-time.After(pollEvery):
		}
	}
}

func (p *plane) etcdURL() string { return fmt.Sprintf("http://127.0.0.1:%d", p.etcdPort) }

func (p *plane) etcdArgs() []string {
	peerURL := fmt.Sprintf("http://127.0.0.1:%d", p.peerPort)
	return []string{
		"--data-dir=" + p.path("etcd"),
		"--listen-client-urls=" + p.etcdURL(),
		"--advertise-client-urls=" + p.etcdURL(),
		"--listen-peer-urls=" + peerURL,
		"--initial-advertise-peer-urls=" + peerURL,
		"--initial-cluster=default=" + peerURL,
		"--socket-reuse-port",
		"--log-level=warn",
		"--unsafe-no-fsync", // A test cluster need not outlive its machine.
	}
}

func (p *plane) apiServerArgs() []string {
	return []string{
		"--etcd-servers=" + p.etcdURL(),
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", p.apiPort),
		"--permit-port-sharing",
		"--advertise-address=" + advertisedAddress,
		"--endpoint-reconciler-type=none", // No pod dials the API through its Service here.
		"--service-cluster-ip-range=10.96.0.0/16",
		"--tls-cert-file=" + p.path("server.crt"),
		"--tls-private-key-file=" + p.path("server.key"),
		"--client-ca-file=" + p.path("clients-ca.crt"),
		"--token-auth-file=" + p.path("tokens.csv"),
		"--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + p.path("service-accounts.key"),
		"--service-account-signing-key-file=" + p.path("service-accounts.key"),
		"--allow-privileged", // As kubeadm does: charts for node agents are to be accepted.
		"--disable-admission-plugins=" + strings.Join(p.disabledPlugins(), ","),
	}
}

func (p *plane) disabledPlugins() []string {
	// It taints new nodes until the node lifecycle controller, which is off, clears them.
	plugins := []string{"TaintNodesByCondition"}
	if !p.profile.serviceAccounts {
		// It refuses pods until a new namespace has its service account, and
		// mounts a token that no container here would read.
		plugins = append(plugins, "ServiceAccount")
	}
	return plugins
}

// controllerNames are those that run: all that can without kubelets and a cloud, or the housekeeping ones.
func (p *plane) controllerNames() []string {
	if p.profile.housekeeping {
		return []string{
			"namespace-controller",
			"garbage-collector-controller",
			"serviceaccount-controller",
			"root-ca-certificate-publisher-controller",
			"resourcequota-controller",
			"clusterrole-aggregation-controller",
		}
	}
	return []string{
		"*",
		"-node-ipam-controller",
		"-cloud-node-lifecycle-controller",
		"-node-route-controller",
		"-service-lb-controller",
		// Simulated nodes send no heartbeats; these two would call them dead and evict their pods.
		"-node-lifecycle-controller",
		"-taint-eviction-controller",
	}
}

func (p *plane) controllerArgs() []string {
	return []string{
		"--kubeconfig=" + p.kubeconfig,
		"--leader-elect=false",
		"--secure-port=0",
		"--root-ca-file=" + p.path("ca.crt"),
		"--cluster-signing-cert-file=" + p.path("clients-ca.crt"),
		"--cluster-signing-key-file=" + p.path("clients-ca.key"),
		"--service-account-private-key-file=" + p.path("service-accounts.key"),
		// The defaults of 20 and 30 would make rollouts of a bench wait for the judge.
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
		"--controllers=" + strings.Join(p.controllerNames(), ","),
	}
}
