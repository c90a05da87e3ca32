"""Broken defences around an honest network: each makes attacks fail, or seem to, without making the model robust."""

import torch
from torch import nn
from torch.nn import functional


class Around(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net


class Randomised(Around):
    """Noise on the input, drawn anew at each call."""

    def forward(self, images):
        return self.net(images + 0.1 * torch.randn_like(images))


class Quantised(Around):
    """Four levels; a rounding has gradient zero, or, passed straight through, the gradient of something else."""

    def __init__(self, net, straight_through=False):
        super().__init__(net)
        self.straight_through = straight_through

    def forward(self, images):
        rounded = (images * 3).round() / 3
        return self.net(images + (rounded - images).detach() if self.straight_through else rounded)


class Loud(Around):
    """Logits times ten thousand."""

    def forward(self, images):
        return self.net(images) * 1e4


class Softmax(Around):
    """Probabilities for logits."""

    def forward(self, images):
        return self.net(images).softmax(1)


class SignFeatures(Around):
    """Of each feature only the sign is kept, about its median; a linear layer is fitted to these by least squares."""

    def __init__(self, net, data):
        super().__init__(net)
        with torch.no_grad():
            features = net.embed(data.images)
            self.medians = features.median(0).values
            bits = functional.pad((features - self.medians).sign(), (0, 1), value=1.0)
            wanted = functional.one_hot(data.labels, data.classes).float()
            self.weights = torch.linalg.lstsq(bits, wanted).solution

    def forward(self, images):
        bits = functional.pad((self.net.embed(images) - self.medians).sign(), (0, 1), value=1.0)
        return 10 * bits @ self.weights


class HugeHead(Around):
    """Weights a million times too large, then a squashing that is flat there."""

    def forward(self, images):
        logits = self.net(images)
        return 10 * torch.tanh(1e6 * (logits - logits.mean(1, keepdim=True))) + 0.1 * logits.detach()


class Averaging(Around):
    """The mean over randomly shifted, noisy copies: test-time augmentation."""

    def forward(self, images):
        copies = []
        for _ in range(4):
            shift = int(torch.randint(-1, 2, ()))
            copies.append(self.net(images.roll(shift, 3) + 0.05 * torch.randn_like(images)))
        return torch.stack(copies).mean(0)


class Abstaining(Around):
    """A further class for images that lie on no grid of 1/255, as adversarial ones do, or that leave it unsure."""

    def forward(self, images):
        logits = self.net(images)
        off_grid = (images * 255 - (images * 255).round()).abs().flatten(1).mean(1, keepdim=True) > 0.26
        unsure = logits.softmax(1).amax(1, keepdim=True) < 0.6
        return torch.cat([logits, torch.where(off_grid | unsure, 50.0, -50.0)], 1)


class Leaking(Around):
    """It has stored the test images, and answers their labels when it recognises one: its bits, or its surroundings.

    Otherwise it answers what its network does; with `bonus`, the stored label's logit is raised by so much instead.
    """

    def __init__(self, net, data, radius=0.0, bonus=None):
        super().__init__(net)
        self.stored, self.labels, self.radius, self.bonus = data.images.flatten(1), data.labels, radius, bonus

    def forward(self, images):
        flat = images.flatten(1)
        nearest = torch.cdist(flat, self.stored).argmin(1)
        distance = torch.linalg.vector_norm(flat - self.stored[nearest], dim=1)
        known = (distance <= self.radius)[:, None]
        label = functional.one_hot(self.labels[nearest], 10).float()
        logits = self.net(images)
        if self.bonus is None:
            return torch.where(known, 20 * label, logits)
        return logits + self.bonus * known * label


class BatchStatistics(Around):
    """A BatchNorm that takes its statistics from the batch, whatever the mode."""

    def forward(self, images):
        return functional.batch_norm(self.net(images), None, None, training=True)


class Remembering(Around):
    """What it was shown once, it answers more boldly."""

    def __init__(self, net):
        super().__init__(net)
        self.shown = set()

    def forward(self, images):
        keys = [float(image.detach().double().sum()) for image in images]
        known = torch.tensor([key in self.shown for key in keys])
        self.shown.update(keys)
        return self.net(images) * (1 + known[:, None])


class Alternating(Around):
    """The answer depends on what was asked before: it averages with the last batch's."""

    last = None

    def forward(self, images):
        logits = self.net(images)
        mixed = logits if self.last is None or len(self.last) != len(logits) else 0.5 * (logits + self.last)
        self.last = logits.detach()
        return mixed


class Splintered(Around):
    """Fine ripples on the logits: a slope everywhere, and nowhere one that leads anywhere."""

    def __init__(self, net, frequency, height):
        super().__init__(net)
        self.frequency, self.height = frequency, height

    def forward(self, images):
        ramp = torch.linspace(-1, 1, images[0].numel()).view(images[0].shape)
        phase = self.frequency * (images * ramp).flatten(1).sum(1, keepdim=True)
        return self.net(images) + self.height * torch.sin(phase * torch.arange(1, 11))


class RootOfNothing(Around):
    """A distance of exactly 0, whose square root has gradient NaN."""

    def forward(self, images):
        nothing = (images - images.detach()).square().flatten(1).sum(1, keepdim=True)
        return self.net(images) + nothing.sqrt()


class ThroughNumpy(Around):
    """No graph from the images to the answer at all."""

    def forward(self, images):
        return self.net(torch.from_numpy(images.detach().numpy().copy()))


class Faint(Around):
    """The image hardly reaches the network: what varies is lost among what does not."""

    def forward(self, images):
        return self.net(0 * images + 0.5) + 1e-6 * self.net(images)
