"""What people write with MediaPipe: `EXE .../mediapipe_command.py photo|video IN OUT`; needs PyAV for videos.

It draws the 478 points of FaceMesh, and encodes videos with PyAV's x264 at the settings of `tddfa video`.
"""

import sys


def main():
    """Run the command."""
    kind, source, target = sys.argv[1:]
    {"photo": photo, "video": video}[kind](source, target)


def photo(source, target):
    """Find a face in a photo and draw it."""
    import cv2

    image = cv2.cvtColor(cv2.imread(source), cv2.COLOR_BGR2RGB)
    drawn(image, face_mesh(still=True).process(image))
    cv2.imwrite(target, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


def video(source, target):
    """Follow a face through a video and draw it."""
    import av

    mesh = face_mesh(still=False)
    with av.open(source) as read, av.open(target, "w") as written:
        stream = None
        for frame in read.decode(video=0):
            image = frame.to_ndarray(format="rgb24")
            drawn(image, mesh.process(image))
            if stream is None:
                stream = written.add_stream("libx264", rate=30)
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p"
                stream.options = {"preset": "superfast", "crf": "22"}
            written.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        written.mux(stream.encode(None))


def face_mesh(still):
    """FaceMesh with refinement, for one face."""
    import mediapipe

    return mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=still, refine_landmarks=True)


def drawn(image, found):
    """Draw the points of the faces, in place."""
    import cv2

    height, width = image.shape[:2]
    for face in found.multi_face_landmarks or []:
        for point in face.landmark:
            cv2.circle(image, (int(point.x * width), int(point.y * height)), 1, (0, 255, 0), -1)


if __name__ == "__main__":
    main()
